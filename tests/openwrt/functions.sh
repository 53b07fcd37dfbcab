# shellcheck shell=sh
# In place of OpenWrt's /lib/functions.sh and /lib/functions/procd.sh: what mainsd's scripts call, written anew from what it does
# (openwrt §3, §4). UCI is read from the file itself, whose lines are words of a shell.
#
# With PROCD_LOG, a file, each call of procd is a line of it and nothing is started. Otherwise services are started and watched,
# by processes of this script, with their state in $MAINSD_ROOT/var/run/procd.

MAINSD_ROOT=${MAINSD_ROOT-}

# Of a test; a busybox would take its own.
if [ -n "$MAINSD_ROOT" ]; then
	logger() { "$MAINSD_ROOT/bin/logger" "$@"; }
fi

config_cb() { :; }
option_cb() { :; }
list_cb() { :; }

package() { :; }

config() {
	CONFIG_COUNT=$((CONFIG_COUNT + 1))
	CONFIG_SECTION=${2:-cfg$CONFIG_COUNT}
	CONFIG_SECTIONS="$CONFIG_SECTIONS $CONFIG_SECTION"
	eval "CONFIG_${CONFIG_SECTION}_TYPE=\$1"
	config_cb "$1" "$CONFIG_SECTION"
}

option() {
	eval "CONFIG_${CONFIG_SECTION}_$1=\$2"
	option_cb "$1" "$2"
}

list() {
	eval "CONFIG_${CONFIG_SECTION}_$1=\"\${CONFIG_${CONFIG_SECTION}_$1:+\$CONFIG_${CONFIG_SECTION}_$1 }\$2\""
	list_cb "$1" "$2"
}

config_load() {
	CONFIG_COUNT=0
	CONFIG_SECTIONS=
	CONFIG_SECTION=
	[ -f "$MAINSD_ROOT/etc/config/$1" ] || return 1
	# shellcheck disable=SC1090
	. "$MAINSD_ROOT/etc/config/$1"
	# Once more for the end, without a section.
	[ -z "$CONFIG_SECTION" ] || config_cb
}

config_get() {
	eval "$1=\${CONFIG_${2}_$3:-\$4}"
}

config_get_bool() {
	config_get "$@"
	eval "CONFIG_VALUE=\$$1"
	case $CONFIG_VALUE in
		1 | on | true | yes | enabled) CONFIG_VALUE=1 ;;
		0 | off | false | no | disabled) CONFIG_VALUE=0 ;;
		*) CONFIG_VALUE=$4 ;;
	esac
	eval "$1=\$CONFIG_VALUE"
}

config_foreach() {
	CONFIG_FUNCTION=$1
	CONFIG_TYPE=$2
	shift 2
	for CONFIG_EACH in $CONFIG_SECTIONS; do
		eval "CONFIG_VALUE=\$CONFIG_${CONFIG_EACH}_TYPE"
		[ "$CONFIG_VALUE" != "$CONFIG_TYPE" ] || "$CONFIG_FUNCTION" "$CONFIG_EACH" "$@"
	done
}

# Each call is a line; what is started is decided at the end.
procd_log() {
	[ -z "${PROCD_LOG-}" ] || echo "$*" >>"$PROCD_LOG"
}

procd_open_service() {
	PROCD_SERVICE=$MAINSD_ROOT/var/run/procd/$1
	rm -rf "$PROCD_SERVICE.new"
	mkdir -p "$PROCD_SERVICE.new" "$PROCD_SERVICE"
	procd_log procd_open_service "$1"
}

procd_open_instance() {
	PROCD_INSTANCE=$PROCD_SERVICE.new/$1
	mkdir "$PROCD_INSTANCE"
	procd_log procd_open_instance "$@"
}

# A word a line.
procd_set_param() {
	procd_log procd_set_param "$@"
	PROCD_PARAM=$1
	shift
	printf '%s\n' "$@" >"$PROCD_INSTANCE/$PROCD_PARAM"
	# What tells a change of a file is its contents.
	[ "$PROCD_PARAM" != file ] || md5sum "$@" >"$PROCD_INSTANCE/contents"
}

procd_close_instance() {
	procd_log procd_close_instance
}

procd_add_reload_trigger() {
	procd_log procd_add_reload_trigger "$@"
}

procd_close_service() {
	procd_log procd_close_service "$1"
	[ -z "${PROCD_LOG-}" ] || return 0
	for PROCD_OLD in "$PROCD_SERVICE"/*; do
		[ "$1" = add ] || [ ! -d "$PROCD_OLD" ] || [ -d "$PROCD_SERVICE.new/${PROCD_OLD##*/}" ] || procd_stop "$PROCD_OLD"
	done
	for PROCD_NEW in "$PROCD_SERVICE.new"/*; do
		[ ! -d "$PROCD_NEW" ] || procd_update "$PROCD_SERVICE/${PROCD_NEW##*/}" "$PROCD_NEW"
	done
}

# An instance as it is to be: started, left alone, told by its signal, or restarted.
procd_update() {
	if [ ! -e "$1/wanted" ]; then
		rm -rf "$1"
		mv "$2" "$1"
		: >"$1/wanted"
		procd_supervise "$1" </dev/null >"$1/output" 2>&1 &
		return
	fi
	PROCD_CHANGED=
	for PROCD_PARAM in command contents; do
		cmp -s "$1/$PROCD_PARAM" "$2/$PROCD_PARAM" || PROCD_CHANGED=1
	done
	cp "$2"/* "$1/"
	[ -n "$PROCD_CHANGED" ] || return 0
	if [ -f "$1/reload_signal" ]; then
		kill -s "$(cat "$1/reload_signal")" "$(cat "$1/pid")"
	else
		procd_stop "$1"
		procd_update "$1" "$2"
	fi
}

# Keeps one process running, as its parameter respawn says.
procd_supervise() {
	set -- "$1"
	PROCD_COUNT=0
	while [ -e "$1/wanted" ]; do
		PROCD_BEGAN=$(date +%s)
		(
			PROCD_FILE=$1/command
			set --
			while IFS= read -r word; do set -- "$@" "$word"; done <"$PROCD_FILE"
			exec "$@"
		) &
		echo "$!" >"$1/pid"
		wait "$!"
		if [ ! -e "$1/wanted" ] || [ ! -f "$1/respawn" ]; then break; fi
		{ read -r threshold && read -r timeout && read -r retry; } <"$1/respawn"
		if [ "$(($(date +%s) - PROCD_BEGAN))" -lt "$threshold" ]; then
			PROCD_COUNT=$((PROCD_COUNT + 1))
		else
			PROCD_COUNT=0
		fi
		[ "$retry" = 0 ] || [ "$PROCD_COUNT" -le "$retry" ] || break
		sleep "$timeout"
	done
	rm -f "$1/wanted" "$1/pid"
}

# Ends an instance: TERM, and KILL after its time.
procd_stop() {
	rm -f "$1/wanted"
	PROCD_PID=$(cat "$1/pid" 2>/dev/null) || return 0
	PROCD_LEFT=$(cat "$1/term_timeout" 2>/dev/null || echo 5)
	kill -s TERM "$PROCD_PID" 2>/dev/null
	while [ "$PROCD_LEFT" -gt 0 ] && kill -s 0 "$PROCD_PID" 2>/dev/null; do
		sleep 1
		PROCD_LEFT=$((PROCD_LEFT - 1))
	done
	kill -s KILL "$PROCD_PID" 2>/dev/null
	rm -f "$1/pid"
}

procd_kill() {
	procd_log procd_kill "$@"
	[ -z "${PROCD_LOG-}" ] || return 0
	for PROCD_OLD in "$MAINSD_ROOT/var/run/procd/$1"/${2:-*}; do
		[ ! -d "$PROCD_OLD" ] || procd_stop "$PROCD_OLD"
	done
}
