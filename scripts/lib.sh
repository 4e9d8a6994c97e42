# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# What the scripts share. Source it: it enters the project's root, and sets up one clean-up at exit.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export PYTHON=/usr/bin/python3

say()
{
	printf '%s\n' "$*"
}

# complain WHAT REMEDY: one sentence on what is wrong, one on what to do about it. Fails, so that a
# caller without `||` ends there.
complain()
{
	printf '%s: %s. %s.\n' "${0##*/}" "$1" "$2" >&2
	return 1
}

die()
{
	complain "$@" || exit 1
}

# What must happen at exit, whatever ends the script; the last one added goes first.
at_exit=()

at_exit()
{
	at_exit=("$*" "${at_exit[@]}")
}

run_at_exit()
{
	local status=$? each

	trap '' INT TERM # a second Ctrl-C must not cut the clean-up short
	trap - EXIT
	for each in "${at_exit[@]}"; do
		eval "$each" || true
	done
	exit "$status"
}
trap run_at_exit EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

need_root()
{
	[ "$(id -u)" -eq 0 ] || complain "this needs root" "Run: sudo $0"
}

need_netns()
{
	unshare --net true 2>/dev/null ||
		complain "network namespaces are not available here" \
			"Run it as root on a host or in a privileged container, with CONFIG_NET_NS in the kernel"
}

need_af_xdp()
{
	grep -q '^XDP ' /proc/net/protocols ||
		complain "the kernel has no AF_XDP" "Boot a kernel that was built with CONFIG_XDP_SOCKETS=y"
}

# The packages of scripts/packages that any of the commands $@ needs and this machine lacks.
missing_packages()
{
	local name uses want

	while read -r name uses; do
		uses=" ${uses%%#*} "
		for want; do
			if [[ $name != '#'* && $uses == *" $want "* ]] && ! is_installed "$name"; then
				echo "$name"
				break
			fi
		done
	done <scripts/packages
}

is_installed()
{
	[ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# install_missing USE...: apt installs what is missing, and nothing else is touched.
install_missing()
{
	local missing log

	command -v dpkg-query >/dev/null || die "this is not Debian" \
		"Install by hand what scripts/packages lists, then build with meson"
	mapfile -t missing < <(missing_packages "$@")
	[ ${#missing[@]} -gt 0 ] || return 0
	[ "$(id -u)" -eq 0 ] || die "packages are missing: ${missing[*]}" \
		"Run: sudo apt-get install ${missing[*]}"
	say "Installing ${missing[*]}"
	log=$(mktemp -t weir-apt.XXXXXX)
	{
		apt-get -q update &&
			DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends "${missing[@]}"
	} </dev/null >"$log" 2>&1 || die "apt-get could not install ${missing[*]}" \
		"Read $log, then check the network and the package sources"
	rm -f "$log"
}

# configure DIR [MESON_OPTION...]: set up DIR, or again one that is there: what it lacked may have come since.
configure()
{
	local dir=$1 again=()

	shift
	[ ! -f "$dir/build.ninja" ] || again=(--reconfigure)
	meson setup "${again[@]}" "$dir" "$@"
}

hugepages=/proc/sys/vm/nr_hugepages

# reserve_hugepages MIB: so much free memory in pages of the default size; the old number comes back at exit.
reserve_hugepages()
{
	local mib=$1 want old free

	if [ ! -w "$hugepages" ]; then
		complain "hugepages cannot be reserved here" "Run as root on a kernel with CONFIG_HUGETLBFS=y"
		return
	fi
	want=$((mib * 1024 / $(meminfo Hugepagesize)))
	free=$(meminfo HugePages_Free)
	[ "$free" -lt "$want" ] || return 0
	old=$(cat "$hugepages")
	echo $((old + want - free)) >"$hugepages"
	at_exit restore_hugepages "$(cat "$hugepages")" "$old"
	free=$(meminfo HugePages_Free)
	[ "$free" -ge "$want" ] || complain "the kernel gave $free hugepages of the $want asked for" \
		"Free some memory, or reserve them at boot with the kernel option hugepages=$want"
}

meminfo()
{
	awk -v key="$1:" '$1 == key { print $2 }' /proc/meminfo
}

# Only if the number is still the one that we left: somebody else may have changed it since.
restore_hugepages()
{
	[ "$(cat "$hugepages")" -ne "$1" ] || echo "$2" >"$hugepages"
}
