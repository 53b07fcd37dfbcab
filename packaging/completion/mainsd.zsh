#compdef mainsd apcaccess apctest apcupsd
# Completion of zsh for mainsd, and for the same program called apcaccess, apctest or apcupsd.

_mainsd() {
    local -a daemon client check doctor commands
    daemon=(
        '-b[stay in the foreground]'
        '(-d --debug)'{-d,--debug}'[debug messages]:level'
        '(-f --config-file)'{-f,--config-file}'[configuration]:file:_files'
        '(-P --pid-file)'{-P,--pid-file}'[pid file]:file:_files'
        '-T[debug messages to a file]'
        '(-k --killpower)'{-k,--killpower}'[order the UPS to cut its power until mains is back]'
        '(-o --power-off)'{-o,--power-off}'[switch the UPS off]'
        '--configure[write the settings that the UPS keeps]'
        '(-p --kill-on-powerfail)'{-p,--kill-on-powerfail}'[cut the power once the shutdown is under way]'
        '(-t --term-on-powerfail)'{-t,--term-on-powerfail}'[exit once the shutdown is under way]'
        '--dry-run[watch, decide, and only log]'
        '(-V --version)'{-V,--version}'[version]'
        '(-h --help)'{-h,--help}'[help]'
    )
    client=(
        '-f[configuration]:file:_files'
        '-h[host]:host:_hosts'
        '-p[print the value of one key]:key'
        '-u[leave out units]'
        '--json[print JSON]'
        '--watch[live]'
        '--help[help]'
        '--version[version]'
    )
    check=(
        '(-f --config-file)'{-f,--config-file}'[configuration]:file:_files'
        '(-q --quiet)'{-q,--quiet}'[only what keeps the daemon from starting]'
        '--explain[what a directive does]:directive'
        '(-h --help)'{-h,--help}'[help]'
    )
    doctor=(
        '(-f --config-file)'{-f,--config-file}'[configuration]:file:_files'
        '(-q --quiet)'{-q,--quiet}'[only what is not fine]'
        '--json[print JSON]'
        '(-h --help)'{-h,--help}'[help]'
    )
    local -a orders test
    test=(
        '(-f --config-file)'{-f,--config-file}'[configuration]:file:_files'
        '(-V --version)'{-V,--version}'[version]'
        '(-h --help)'{-h,--help}'[help]'
    )
    orders=(self-test calibrate beeper panel battery name sensitivity transfer delay low return output manufacture outlets outlet settings poll
        record reload shutdown kill-power power-off help -f --json --help)
    commands=(status events clients ctl apctest doctor drill probe check demo help version apcaccess apcupsd)
    case $service in
        apcupsd) _arguments $daemon ;;
        apctest) _arguments $test ;;
        apcaccess) _arguments $client '1:command:(status events clients)' '2:host:_hosts' ;;
        *)
            if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then
                _values command $commands
                return
            fi
            case $words[2] in
                status) _arguments $client '2:what:(events clients)' ;;
                events | clients) _arguments $client ;;
                apcaccess) _arguments $client '2:command:(status events clients)' ;;
                check) _arguments $check ;;
                doctor) _arguments $doctor ;;
                apctest) _arguments $test ;;
                ctl)
                    case $words[CURRENT-1] in
                        -f) _files ;;
                        self-test) compadd -- result interval --wait ;;
                        calibrate) compadd abort result ;;
                        beeper) compadd on off mute ;;
                        outlet) compadd on off reboot ;;
                        panel) compadd test ;;
                        battery|manufacture) compadd date ;;
                        transfer) compadd low high ;;
                        delay) compadd wake shutdown alarm ;;
                        low) [[ $words[CURRENT-2] == transfer ]] || compadd battery ;;
                        return) compadd charge ;;
                        output) compadd voltage ;;
                        shutdown) [[ $words[CURRENT-2] == delay ]] || compadd now cancel ;;
                        now | kill-power | power-off) compadd -- --yes ;;
                        *) compadd -- $orders ;;
                    esac
                    ;;
                probe)
                    _arguments '--serial=-[ask serial ports]::port:_files' '*--snmp[ask this card]:host:_hosts' \
                        '--record[write what a USB UPS says]:file:_files' '--device[which UPS is recorded]:serial number or bus port' \
                        '--seconds[how long to listen]:seconds' \
                        '(-f --config-file)'{-f,--config-file}'[configuration of the daemon that has it]:file:_files' '--help[help]'
                    ;;
                demo)
                    _arguments '--scenario[story]:story:(outage low-battery flapping comm-loss self-test)' \
                        '--speed[time-lapse]:factor' '--plain[lines, also on a terminal]' '--help[help]'
                    ;;
                drill)
                    _arguments '(-f --config-file)'{-f,--config-file}'[configuration]:file:_files' \
                        '--story[what happens]:story:(outage short low-battery comm-loss remote self-test faults)' \
                        '--runtime[how long the battery lasts]:minutes' '--takes[how long the shutdown takes]:seconds' \
                        '--slave[a slave that does not go]' '--run-hooks[run the hooks]' '--yes[without a question]' \
                        '(-h --help)'{-h,--help}'[help]'
                    ;;
                help) _values command $commands ;;
                *) _arguments $daemon ;;
            esac
            ;;
    esac
}

_mainsd "$@"
