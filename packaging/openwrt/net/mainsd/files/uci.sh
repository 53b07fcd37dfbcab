# What the scripts of mainsd share on OpenWrt: the configuration of each UPS, made from UCI. Sourced after /lib/functions.sh.
# shellcheck shell=sh

# Both variables are for tests.
MAINSD_ROOT=${MAINSD_ROOT-}
MAINSD=${MAINSD:-/usr/sbin/mainsd}

MAINSD_ETC=$MAINSD_ROOT/var/etc
MAINSD_RUN=$MAINSD_ROOT/var/run
MAINSD_LOG=$MAINSD_ROOT/var/log

mainsd_log() {
	logger -t mainsd -p "daemon.$1" "$2"
}

# The configuration of the UPS of this section. That of 'main' is where everybody looks.
mainsd_file() {
	case $1 in
		main) echo "$MAINSD_ETC/mainsd.conf" ;;
		*) echo "$MAINSD_ETC/mainsd-$1.conf" ;;
	esac
}

# Its folder of flags and state, which is in RAM: a flag is never to outlive a boot, and costs no write to the flash.
mainsd_folder() {
	echo "$MAINSD_RUN/mainsd-$1"
}

# The value of a directive in a file, the last one if there are several; $3 if there is none. The name is given in upper case.
# As the daemon reads it: without a byte order mark, and without a '=' behind the name.
mainsd_value() {
	LC_ALL=C awk -v name="$2" -v value="$3" '
		NR == 1 { sub(/^\357\273\277/, "") }
		/^[ \t]*[A-Za-z]+[ \t]*=/ { sub(/=/, " ") }
		toupper($1) == name {
			sub(/[ \t]#.*/, "")
			sub(/^[ \t]*[^ \t]+[ \t]*/, "")
			sub(/[ \t\r]*$/, "")
			gsub(/^"|"$/, "")
			value = $0
		}
		END { print value }' "$1"
}

# One option as a line. A value that could become another directive, or lose its end as a comment, is refused.
mainsd_line() {
	case $2 in
		*"
"*)
			echo "option $1: a value is one line" >&2
			return 1
			;;
		"#"* | *" #"* | *"	#"*)
			echo "option $1: '#' after a blank begins a comment" >&2
			return 1
			;;
	esac
	# Not by classes of characters: busybox may have been built without them.
	# shellcheck disable=SC2018,SC2019
	printf '%s %s\n' "$(printf '%s' "$1" | tr 'a-z' 'A-Z')" "$2"
}

# The options of a section as lines, in a shell of its own: what is called back while UCI is read stays in it.
# shellcheck disable=SC2317 # config_load calls them
mainsd_options() (
	wanted=$1
	section=
	list=
	values=
	mistakes=0
	end_list() {
		[ -z "$list" ] || mainsd_line "$list" "$values" || mistakes=1
		list=
	}
	config_cb() {
		end_list
		section=
		[ "$1" != ups ] || section=$2
	}
	option_cb() {
		[ "$section" = "$wanted" ] || return 0
		end_list
		case $1 in
			enabled | config) return 0 ;;
		esac
		mainsd_line "$1" "$2" || mistakes=1
	}
	list_cb() {
		[ "$section" = "$wanted" ] || return 0
		if [ "$1" = "$list" ]; then
			values="$values $2"
		else
			end_list
			list=$1
			values=$2
		fi
	}
	config_load mainsd
	end_list
	return "$mistakes"
)

# A line for an option that is not set.
mainsd_usual() {
	config_get value "$1" "$2"
	[ -n "$value" ] || mainsd_line "$2" "$3"
}

# A whole configuration from a section that was loaded: the options, and for what is not set what is usual on a router.
mainsd_configuration() {
	folder=$(mainsd_folder "$1")
	cat <<-LINES
		## apcupsd.conf v1.1 ##
		# Made from /etc/config/mainsd, section '$1', when the service starts or is reloaded: changes here are lost.
	LINES
	mainsd_options "$1" || return
	mainsd_usual "$1" scriptdir "$MAINSD_ROOT/etc/mainsd"
	mainsd_usual "$1" pwrfaildir "$folder"
	mainsd_usual "$1" nologindir "$folder"
	mainsd_usual "$1" statefile "$folder/state"
	mainsd_usual "$1" lockfile "$MAINSD_ROOT/var/lock"
	mainsd_usual "$1" eventsfile "$MAINSD_LOG/mainsd-$1.events"
	mainsd_usual "$1" nologon disable
	mainsd_usual "$1" nisip 127.0.0.1
}

# Makes the configuration of a section anew, beside the old one, and moves it there when the daemon would start with it. Fails
# otherwise: the file that was there stays, and the log has the reasons.
mainsd_generate() {
	file=$(mainsd_file "$1")
	new=$file.new
	config_get from "$1" config
	mkdir -p "$MAINSD_ETC" "$MAINSD_RUN" "$MAINSD_LOG" "$MAINSD_ROOT/var/lock" "$(mainsd_folder "$1")"
	if mistakes=$(
		# A DEVICE can have a password in it.
		umask 077
		rm -f "$new"
		if [ -n "$from" ]; then
			cat "$from" 2>&1 >"$new"
		else
			mainsd_configuration "$1" 2>&1 >"$new"
		fi && "$MAINSD" check --quiet -f "$new" 2>&1
	); then
		if cmp -s "$new" "$file"; then
			rm "$new"
		else
			mv "$new" "$file"
		fi
		return
	fi
	rm -f "$new"
	printf '%s\n' "$mistakes" | while IFS= read -r line; do
		mainsd_log err "/etc/config/mainsd, section $1: $line"
	done
	return 1
}

# The configurations of the UPSes whose outage brings the system down, a line each.
mainsd_failed() {
	for file in "$MAINSD_ETC"/mainsd.conf "$MAINSD_ETC"/mainsd-*.conf; do
		[ -f "$file" ] || continue
		[ ! -f "$(mainsd_value "$file" PWRFAILDIR /etc/apcupsd)/powerfail" ] || echo "$file"
	done
}
