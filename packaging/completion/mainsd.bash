# Completion of bash for mainsd, and for the same program called apcaccess, apctest or apcupsd.

_mainsd() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[0]##*/}
    COMPREPLY=()
    case $before in
        -f | --config-file | -P | --pid-file | --record)
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
            return
            ;;
        --scenario)
            mapfile -t COMPREPLY < <(compgen -W "outage low-battery flapping comm-loss self-test" -- "$word")
            return
            ;;
        --story)
            mapfile -t COMPREPLY < <(compgen -W "outage short low-battery comm-loss remote self-test faults" -- "$word")
            return
            ;;
        -d | --debug | -h | -p | --speed | --runtime | --takes | --explain | --snmp | --device | --seconds)
            [ "$command" = apcupsd ] || return
            ;;
    esac
    local daemon="-b -d --debug -f --config-file -P --pid-file -T -k --killpower -o --power-off --configure \
        -p --kill-on-powerfail -t --term-on-powerfail --dry-run -V --version -h --help"
    local client="-f -h -p -u --json --watch --help --version"
    local words=$daemon
    case $command in
        apcaccess) words="status events clients $client" ;;
        apctest) words="-f --config-file -V --version -h --help" ;;
        apcupsd) ;;
        *)
            case ${COMP_WORDS[1]} in
                check) words="-f --config-file -q --quiet --explain -h --help" ;;
                doctor) words="-f --config-file -q --quiet --json -h --help" ;;
                status) words="events clients $client" ;;
                events | clients) words="-f -h --json --help --version" ;;
                ctl)
                    # What follows the words so far; options of ctl itself before the first.
                    case ${COMP_WORDS[*]:2:COMP_CWORD-2} in
                        *"transfer low" | *"delay shutdown") words= ;;
                        *self-test) words="result interval --wait" ;;
                        *calibrate) words="abort result" ;;
                        *outlet) words="on off reboot" ;;
                        *beeper) words="on off mute" ;;
                        *panel) words="test" ;;
                        *battery | *manufacture) words="date" ;;
                        *transfer) words="low high" ;;
                        *delay) words="wake shutdown alarm" ;;
                        *low) words=battery ;;
                        *return) words=charge ;;
                        *output) words=voltage ;;
                        *"shutdown now" | *kill-power | *power-off) words=--yes ;;
                        *shutdown) words="now cancel" ;;
                        *) words="self-test calibrate beeper panel battery name sensitivity transfer delay low return manufacture \
                            output outlets outlet settings poll record reload shutdown kill-power power-off help -f --json --help" ;;
                    esac
                    ;;
                apctest) words="-f --config-file -V --version -h --help" ;;
                probe) words="--serial --snmp --record --device --seconds -f --config-file --help" ;;
                demo) words="--scenario --speed --plain --help" ;;
                drill) words="-f --config-file --story --runtime --takes --slave --run-hooks --yes -h --help" ;;
                apcaccess) words="status events clients $client" ;;
                help) words="status events clients ctl apctest doctor drill probe check demo apcaccess apcupsd" ;;
                version) words= ;;
            esac
            [ "$COMP_CWORD" -gt 1 ] ||
                words="status events clients ctl apctest doctor drill probe check demo help version apcaccess apcupsd $daemon"
            ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}

complete -F _mainsd mainsd apcaccess apctest apcupsd
