#!/bin/sh
# Stops the services, unless a new version takes this one's place: dpkg says "remove", rpm 0.
set -e
case "$1" in
remove | 0)
	if [ -d /run/systemd/system ]; then
		systemctl disable --now relabel-work.service relabel-serve.service
	fi
	;;
esac
