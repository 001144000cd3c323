#!/bin/sh
# Makes the account of the services. They are not started: they need a token first.
set -e
if ! getent passwd relabel >/dev/null; then
	useradd --system --user-group --home-dir /var/lib/relabel --no-create-home --shell /usr/sbin/nologin relabel
fi
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
