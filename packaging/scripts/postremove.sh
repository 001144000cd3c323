#!/bin/sh
# `apt purge` removes the account, the token and the private PostgreSQL with its data. rpm has no such
# step, so there they stay.
set -e
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
if [ "$1" = purge ]; then
	rm -rf /etc/relabel /var/lib/relabel
	if getent passwd relabel >/dev/null; then
		userdel relabel
	fi
fi
