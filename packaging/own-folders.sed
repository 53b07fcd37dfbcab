# mainsd.conf as packages ship it: with folders of mainsd's own, where the directives by themselves have those of apcupsd.
s,^#SCRIPTDIR /etc/apcupsd$,SCRIPTDIR /etc/mainsd,
s,^#PWRFAILDIR /etc/apcupsd$,PWRFAILDIR /etc/mainsd,
s,^EVENTSFILE /var/log/apcupsd.events$,EVENTSFILE /var/log/mainsd.events,
