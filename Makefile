# Installs mainsd where there is no package of it. packaging/install does it, and says what else it can; this only passes on
# PREFIX (/usr/local) and DESTDIR (none).

PREFIX = /usr/local
DESTDIR =

all:
	cargo build --release

install:
	PREFIX="$(PREFIX)" DESTDIR="$(DESTDIR)" packaging/install

uninstall:
	PREFIX="$(PREFIX)" DESTDIR="$(DESTDIR)" packaging/install --uninstall

.PHONY: all install uninstall
