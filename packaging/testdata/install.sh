#!/bin/bash
# Installs a .deb on a copy of this machine, boots the copy with systemd, and purges the package. Needs root.
#
#     unshare --mount bash install.sh FILE.deb FOLDER
#
# The copy is an overlay: what is written lies in FOLDER, in memory, and is gone at the end.
set -euo pipefail
deb=$1 copy=$2/root here=$(dirname "$(realpath "$0")")

mount --make-rprivate /
mount -t tmpfs tmpfs "$2"
mkdir "$2/upper" "$2/work" "$copy"
mount -t overlay overlay -o "lowerdir=/,upperdir=$2/upper,workdir=$2/work" "$copy"
rm -rf "$copy/var/lib/relabel" "$copy/etc/relabel" # of this machine
rm -f "$copy"/etc/dpkg/dpkg.cfg.d/{docker,excludes} # small images leave out manual pages
cp "$deb" "$copy/root/relabel.deb"
cp "$here/booted.sh" "$copy/root/"

echo "== install"
chroot "$copy" /bin/bash -ex <<'END'
dpkg --install /root/relabel.deb
relabel version
id relabel
[[ $(stat -c '%a %U' /etc/relabel/environment) == '600 root' ]]
man --where relabel-work
systemd-analyze verify /usr/lib/systemd/system/relabel-{work,serve}.service
bash -c '. /usr/share/bash-completion/completions/relabel && complete -p relabel'
END

echo "== boot"
cat >"$copy/etc/systemd/system/booted.service" <<'END'
[Unit]
DefaultDependencies=no
[Service]
Type=oneshot
ExecStart=/bin/bash -ex /root/booted.sh
StandardOutput=append:/root/booted.log
StandardError=append:/root/booted.log
ExecStopPost=/bin/systemctl poweroff --force --force
END
# The copy has no network but its own loopback, and runs nothing but what the script starts.
timeout --kill-after 10 180 systemd-nspawn --quiet --register=no --keep-unit --private-network --link-journal=no \
	--machine="relabel-$$" --console=pipe --directory="$copy" --boot -- --unit=booted.service --show-status=no \
	</dev/null >"$copy/root/console.log" 2>&1 || cat "$copy/root/console.log"
cat "$copy/root/booted.log"
grep -qx 'all is well' "$copy/root/booted.log"

echo "== purge"
chroot "$copy" /bin/bash -ex <<'END'
[[ -e /etc/relabel/token && -d /var/lib/relabel/sources ]] # of the user
dpkg --purge relabel
if getent passwd relabel || getent group relabel; then exit 1; fi
END
# The names of other programs' files may have the word too, such as man's index or dpkg's log: they have it inside.
left=$(find "$copy/"{etc,usr,var} -xdev -name 'relabel*' -newer "$2/work" || true)
[[ -z $left ]] || {
	echo "left behind: $left"
	exit 1
}
