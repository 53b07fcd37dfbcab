#!/usr/bin/env bash
# Existing clients of port 3551, unchanged from their packages, against a mainsd that watches a simulated UPS:
#
#   Debian's apcaccess and apcupsd (as a network slave), NUT's apcupsd-ups, collectd's apcups plugin,
#   apcaccess and aioapcaccess from PyPI, apcaccess from npm.
#
# Usage: tests/clients/run.sh MAINSD [FOLDER]
#   MAINSD   the program under test
#   FOLDER   where the clients are kept between runs; without it they are fetched anew and removed
#
# Needs: apt-get with its lists, python3-venv, npm, and the libraries of Debian's apcupsd (libwrap0, libusb-0.1-4).
# Nothing is installed: packages are unpacked. No hook does anything but write a line; no shutdown command is run.
set -euo pipefail

mainsd=$(realpath "$1")
work=$(mktemp -d)
kept=${2:-$work/clients}
# Not /run/mainsd, which is a real daemon's.
export MAINSD_RUN_DIR=$work/run
pids=()
finish() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait
    rm -rf "$work"
}
trap finish EXIT

failed=0
pass() { printf 'ok    %s\n' "$1"; }
fail() { printf 'FAIL  %s\n' "$1"; shift; printf '      %s\n' "$@"; failed=1; }
# same NAME GOT WANTED
same() { if [ "$2" = "$3" ]; then pass "$1"; else fail "$1" "got:    $2" "wanted: $3"; fi; }
# await SECONDS COMMAND...: until the command succeeds
await() {
    local end=$((SECONDS + $1)); shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.1
    done
}
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

fetch() {
    mkdir -p "$kept"
    [ -e "$kept/done" ] && return
    python3 -m venv "$kept/venv"
    "$kept/venv/bin/pip" -q install apcaccess==0.0.13 aioapcaccess==1.0.0
    npm install --silent --no-fund --no-audit --prefix "$kept/npm" apcaccess@1.1.2 >/dev/null
    mkdir -p "$kept/deb" "$kept/root"
    (cd "$kept/deb" && apt-get download -qq apcupsd nut-server collectd-core 2>/dev/null)
    for package in "$kept"/deb/*.deb; do dpkg -x "$package" "$kept/root"; done
    touch "$kept/done"
}

# conf FOLDER PORT UPSTYPE DEVICE: a configuration whose hooks write lines to FOLDER/hooks
conf() {
    mkdir -p "$1"
    printf '#!/bin/sh\necho "$1" >>"%s/hooks"\nexit 0\n' "$1" >"$1/apccontrol"
    chmod +x "$1/apccontrol"
    : >"$1/hooks"
    cat >"$1/conf" <<END
## apcupsd.conf v1.1 ##
UPSNAME $(basename "$1")
UPSCABLE $([ "$3" = net ] && echo ether || echo usb)
UPSTYPE $3
DEVICE $4
POLLTIME 1
ONBATTERYDELAY 1
SCRIPTDIR $1
PWRFAILDIR $1
NOLOGINDIR $1
LOCKFILE $1
NETSERVER on
NISIP 127.0.0.1
NISPORT $2
EVENTSFILE $1/events
UPSCLASS standalone
UPSMODE disable
BATTERYLEVEL 5
MINUTES 3
TIMEOUT 0
END
}

# master NAME SCRIPT: starts mainsd on the simulated UPS; sets `port`
master() {
    port=$(free_port)
    printf '%s\n' "$2" >"$work/script-$1"
    conf "$work/$1" "$port" test "$work/script-$1"
    printf 'SHUTDOWNCMD /bin/true\nSTATEFILE %s/state\n' "$work/$1" >>"$work/$1/conf"
    "$mainsd" -b -f "$work/$1/conf" -P "$work/$1/pid" >"$work/$1/log" 2>&1 &
    pids+=($!)
    await 20 online "$port" || { cat "$work/$1/log"; fail "mainsd starts"; exit 1; }
}
online() { "$mainsd" apcaccess -h "127.0.0.1:$1" -p STATUS | grep -q ONLINE; }
value() { "$mainsd" apcaccess -h "127.0.0.1:$port" -p "$1" -u | sed 's/ *$//'; }

fetch
root=$kept/root
debian_access=$root/sbin/apcaccess; [ -x "$debian_access" ] || debian_access=$root/usr/sbin/apcaccess
debian_daemon=$root/sbin/apcupsd; [ -x "$debian_daemon" ] || debian_daemon=$root/usr/sbin/apcupsd
nut_driver=$(find "$root" -name apcupsd-ups -type f | head -1)

echo "--- clients of a UPS on mains"
master steady ''
model=$(value MODEL)
serial=$(value SERIALNO)
[ -n "$model" ] && [ -n "$serial" ] || fail "the status has a model and a serial number"
# Keys that do not change within a second.
fixed() { grep -E '^(HOSTNAME|VERSION|UPSNAME|CABLE|DRIVER|UPSMODE|STARTTIME|MODEL|STATUS|MBATTCHG|NOM|SERIALNO|STATFLAG)'; }
same "Debian's apcaccess prints what ours prints" \
    "$("$debian_access" -h "127.0.0.1:$port" | fixed)" "$("$mainsd" apcaccess -h "127.0.0.1:$port" | fixed)"
same "Debian's apcaccess: -p and -u" "$("$debian_access" -h "127.0.0.1:$port" -u -p NOMPOWER)" "$(value NOMPOWER)"

same "PyPI apcaccess" "$("$kept/venv/bin/python" - "$port" <<'END'
import sys
from apcaccess import status
answer = status.parse(status.get(host="127.0.0.1", port=int(sys.argv[1])), strip_units=True)
float(answer["LINEV"]), float(answer["BCHARGE"]), float(answer["TIMELEFT"])
print(answer["STATUS"], answer["MODEL"], answer["SERIALNO"], len(answer))
END
)" "ONLINE $model $serial $("$mainsd" apcaccess -h "127.0.0.1:$port" | wc -l)"

same "PyPI aioapcaccess" "$("$kept/venv/bin/python" - "$port" <<'END'
import asyncio, sys
import aioapcaccess
answer = asyncio.run(aioapcaccess.request_status("127.0.0.1", int(sys.argv[1])))
assert int(answer["STATFLAG"], 16) & 8 and answer["BCHARGE"].endswith(" Percent")
print(answer["STATUS"], answer["MODEL"], answer["SERIALNO"], len(answer))
END
)" "ONLINE $model $serial $("$mainsd" apcaccess -h "127.0.0.1:$port" | wc -l)"

script='const A = require(process.argv[1]); const a = new A();
a.connect("127.0.0.1", +process.argv[2]).then(() => a.getStatusJson())
 .then(s => { console.log(s.STATUS.trim(), s.MODEL.trim(), s.SERIALNO.trim()); return a.getEvents(); })
 .then(e => { console.log(/startup succeeded/.test(e)); return a.disconnect(); })
 .catch(e => { console.log("error", e); process.exit(1); });'
same "npm apcaccess, status and events on one connection" \
    "$(node -e "$script" "$kept/npm/node_modules/apcaccess" "$port" | tr '\n' ' ')" "ONLINE $model $serial true "

mkdir -p "$work/nut"
printf '[apc]\ndriver = apcupsd-ups\nport = 127.0.0.1:%s\n' "$port" >"$work/nut/ups.conf"
NUT_CONFPATH=$work/nut NUT_STATEPATH=$work/nut timeout 30 "$nut_driver" -a apc -u "$(id -un)" -d 1 >"$work/nut/out" 2>/dev/null || true
nut() { sed -n "s/^$1: //p" "$work/nut/out"; }
same "NUT's apcupsd-ups" "$(nut ups.status) $(nut ups.model) $(nut ups.serial) $(nut ups.realpower.nominal)" \
    "OL $model $serial $(value NOMPOWER).0"

cat >"$work/collectd.conf" <<END
BaseDir "$work/collectd"
PIDFile "$work/collectd.pid"
PluginDir "$root/usr/lib/collectd"
TypesDB "$root/usr/share/collectd/types.db"
Hostname "host"
Interval 1
LoadPlugin csv
<Plugin csv>
  DataDir "$work/collectd"
</Plugin>
LoadPlugin apcups
<Plugin apcups>
  Host "127.0.0.1"
  Port "$port"
</Plugin>
END
mkdir -p "$work/collectd"
"$root/usr/sbin/collectd" -f -C "$work/collectd.conf" >"$work/collectd/log" 2>&1 &
collectd=$!
charge() { [ "$(cat "$work"/collectd/host/apcups/charge-* | wc -l)" -ge 3 ]; }
# Two values: the connection is kept between them.
if await 20 charge; then
    same "collectd's apcups" "$(tail -qn1 "$work"/collectd/host/apcups/charge-* | cut -d, -f2 | cut -d. -f1)" "$(value BCHARGE | cut -d. -f1)"
else
    fail "collectd's apcups" "$(tail -n3 "$work/collectd/log")"
fi
kill $collectd; wait $collectd || true

echo "--- an apcupsd as a slave, through an outage"
master outage '12 mains off
22 mains on'
master_port=$port
slave_port=$(free_port)
conf "$work/slave" "$slave_port" net "127.0.0.1:$master_port"
"$debian_daemon" -b -f "$work/slave/conf" -P "$work/slave/pid" >"$work/slave/log" 2>&1 &
pids+=($!)
at_slave() { "$debian_access" -h "127.0.0.1:$slave_port" -p "$1" 2>/dev/null | sed 's/ *$//'; }
says() { [ "$(at_slave STATUS)" = "$1" ]; }
hooked() { grep -qx "$1" "$work/slave/hooks"; }
if await 10 says "ONLINE SLAVE"; then pass "the slave is on line"; else fail "the slave is on line" "$(at_slave STATUS)"; fi
same "the slave has the master's model, serial number and nominal power" \
    "$(at_slave MODEL)/$(at_slave SERIALNO)/$(at_slave NOMPOWER)" \
    "$(value MODEL)/$(value SERIALNO)/$(value NOMPOWER) Watts"
for step in powerout onbattery mainsback offbattery; do
    if await 30 hooked $step; then pass "the slave runs $step"; else fail "the slave runs $step" "$(tr '\n' ' ' <"$work/slave/hooks")"; fi
done
if await 10 says "ONLINE SLAVE"; then pass "the slave is on line again"; else fail "the slave is on line again" "$(at_slave STATUS)"; fi
# apcupsd runs hooks side by side, so their lines may change places.
same "no more than these hooks were run" "$(sort "$work/slave/hooks" | tr '\n' ' ')" "mainsback offbattery onbattery powerout "

echo "--- a mainsd as a slave of an apcupsd that has no UPS"
master_port=$(free_port)
conf "$work/apcupsd" "$master_port" apcsmart "$work/no-such-port"
sed -i 's/^UPSCABLE.*/UPSCABLE smart/' "$work/apcupsd/conf"
"$debian_daemon" -b -f "$work/apcupsd/conf" -P "$work/apcupsd/pid" >"$work/apcupsd/log" 2>&1 &
pids+=($!)
port=$(free_port)
conf "$work/ours" "$port" net "127.0.0.1:$master_port"
printf 'SHUTDOWNCMD /bin/true\nSTATEFILE %s/state\nCOMMLOSTDELAY 2\nNETTIMEOUT 3\n' "$work/ours" >>"$work/ours/conf"
sed -i '/^UPSNAME/d' "$work/ours/conf"
MAINSD_DRY_RUN=1 "$mainsd" -b -f "$work/ours/conf" -P "$work/ours/pid" >"$work/ours/log" 2>&1 &
pids+=($!)
followed() { [ -n "$(value MASTER)" ]; }
if await 20 followed; then pass "it is asked"; else fail "it is asked" "$(cat "$work/ours/log")"; fi
same "what it lacks is lost, and it is the master" "$(value STATUS) $(value STATFLAG) $(value MASTER)" \
    "COMMLOST 0x05000500 127.0.0.1:$master_port"
hooked() { grep -qx "$1" "$work/ours/hooks"; }
if await 20 hooked commfailure; then pass "the slave runs commfailure"; else fail "the slave runs commfailure" "$(cat "$work/ours/log")"; fi
same "and nothing else" "$(tr '\n' ' ' <"$work/ours/hooks")" "commfailure "

[ $failed = 0 ] && echo "all clients are served" || exit 1
