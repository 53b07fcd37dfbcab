#!/bin/sh
# test.sh PACKAGE VERSION: run by the CI of the packages feed in a container that has the package installed.
set -e

case "$1" in
	mainsd | mainsd-tiny) ;;
	*) exit 0 ;;
esac

mainsd version | grep -F "$2"
config=$(mktemp)
trap 'rm -f "$config"' EXIT
printf 'UPSTYPE usb\n' >"$config"
mainsd check --quiet -f "$config"
printf 'UPSTYPE net\nDEVICE 192.0.2.1\n' >"$config"
mainsd check --quiet -f "$config"
# A mistake is seen.
printf 'UPSTYPE usb\nTIMEOUT soon\n' >"$config"
if mainsd check --quiet -f "$config" 2>/dev/null; then exit 1; fi
[ "$1" != mainsd ] || mainsd demo --plain --speed 60 </dev/null | grep 'hook: apccontrol mainsback'
