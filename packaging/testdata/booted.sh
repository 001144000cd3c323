# Runs as root in the booted copy, and says "all is well" at its end. See install.sh.

ready() { # of a port: whether GET /readyz answers 200
	local answer
	exec 3<>"/dev/tcp/127.0.0.1/$1" || return 1
	printf 'GET /readyz HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n' >&3
	read -r answer <&3
	exec 3>&-
	[[ $answer == *' 200 '* ]]
}

wait_for() { # a command, for a minute
	for _ in {1..300}; do
		"$@" 2>/dev/null && return
		sleep 0.2
	done
	journalctl --no-pager
	return 1
}

refuse() { # a command that must fail; bash -e ignores what ! negates
	if "$@"; then exit 1; fi
}

as_relabel() { runuser -u relabel -- env RELABEL_STATE_DIR=/var/lib/relabel relabel "$@"; }

# Without its token the worker does not start.
refuse systemctl start relabel-work
systemctl reset-failed relabel-work

# With it, it works with a private PostgreSQL, which commands share.
printf a-secret-token >/etc/relabel/token
chmod 600 /etc/relabel/token
sed -i 's/^WORK_ARGS=.*/WORK_ARGS="--metrics 9464"/' /etc/relabel/environment
systemctl start relabel-work
wait_for ready 9464
cd /var/lib/relabel/sources
printf 'asset_id,display_name\ne2ea78f799fc10d04f9130e4,hero.jpg\n' >names.csv
chown relabel names.csv
as_relabel run names.csv --rehearse
pid=$(systemctl show --property MainPID --value relabel-work)
refuse grep -q a-secret-token "/proc/$pid/environ"

# The dashboard, with a DATABASE_URL.
as_relabel db url >/root/url & # until it is killed
wait_for grep -q ^postgres: /root/url
echo "DATABASE_URL=\"$(cat /root/url)\"" >>/etc/relabel/environment
printf a-long-password >/etc/relabel/password
chmod 600 /etc/relabel/password
systemctl start relabel-serve
wait_for ready 8080
(
	set -a
	. /etc/relabel/environment
	relabel migrate status
)

# They stop by themselves, and the private PostgreSQL with the worker, which uses it last.
systemctl stop relabel-serve
pkill -u relabel --full 'relabel db url'
wait # for it
systemctl stop relabel-work
for unit in relabel-serve relabel-work; do
	[[ $(systemctl show --property Result --value "$unit") == success ]]
	[[ $(systemctl show --property ExecMainStatus --value "$unit") == 0 ]]
done
refuse pgrep -u relabel

# A new package leaves running services alone; a removal stops them for good.
sed -i '/^DATABASE_URL/d' /etc/relabel/environment
systemctl enable --now relabel-work
wait_for ready 9464
pid=$(systemctl show --property MainPID --value relabel-work)
dpkg --install /root/relabel.deb
[[ $(systemctl show --property MainPID --value relabel-work) == "$pid" ]]
dpkg --remove relabel
refuse systemctl is-enabled relabel-work
refuse pgrep -u relabel
echo 'all is well'
