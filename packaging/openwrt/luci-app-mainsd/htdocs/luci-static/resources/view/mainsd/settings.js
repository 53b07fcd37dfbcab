'use strict';
'require form';
'require view';

/* The directives that are numbers: tab, option, range, default, title, meaning. -1 at the beginning of a range: off.
   tests/pure/openwrt.rs compares ranges and defaults with those of the daemon. */
const NUMBERS = [
	[ 'ups', 'polltime', [ 1, 86400 ], 60, _('Poll interval'), _('Seconds between two polls while all is well.') ],
	[ 'shutdown', 'batterylevel', [ -1, 100 ], 10, _('Charge limit'), _('Shut down when the charge is so low, in per cent. -1: off.') ],
	[ 'shutdown', 'minutes', [ -1, 1000000 ], 5, _('Runtime limit'), _('Shut down when so many minutes of runtime are left. -1: off.') ],
	[ 'shutdown', 'timeout', [ -1, 31536000 ], 0, _('Time limit'), _('Shut down after so many seconds on battery. 0: no limit.') ],
	[ 'shutdown', 'onbatterydelay', [ 0, 31536000 ], 6, _('Delay of onbattery'), _('Seconds until an outage is announced to hooks.') ],
	[ 'shutdown', 'killdelay', [ 0, 31536000 ], 0, _('Kill delay'), _('Seconds from the start of the shutdown until the UPS is told to cut its power. 0: the last step of the shutdown tells it.') ],
	[ 'shutdown', 'hooktimeout', [ 1, 86400 ], 60, _('Longest hook'), _('Seconds after which a hook is ended.') ],
	[ 'network', 'nisport', [ 1, 65535 ], 3551, _('Port'), _('Another one for each UPS.') ],
	[ 'network', 'nettimeout', [ 1, 86400 ], 10, _('Tolerance for a lost master'), _('With net: seconds on battery without the other machine until this one is shut down.') ]
];

function addNumber(section, [ tab, name, [ least, most ], usual, title, meaning ]) {
	const option = section.taboption(tab, form.Value, name, title, meaning);
	option.datatype = `and(integer,range(${least},${most}))`;
	option.placeholder = String(usual);
	option.rmempty = true;
}

function isOneLine(section, value) {
	if (/[\r\n]/.test(value))
		return _('A value is one line.');
	if (/(^|\s)#/.test(value))
		return _("A '#' after a blank begins a comment.");
	return true;
}

function addText(section, tab, name, title, meaning, datatype) {
	const option = section.taboption(tab, form.Value, name, title, meaning);
	option.datatype = datatype ?? 'string';
	option.validate = isOneLine;
	option.rmempty = true;
	return option;
}

return view.extend({
	render() {
		const map = new form.Map('mainsd', _('UPS'), _('A UPS is watched, and this router shut down cleanly when mains is gone and the battery runs out.'));
		const section = map.section(form.TypedSection, 'ups', _('UPSes'), _('Each section is one UPS. With a mistake in it the last good configuration stays; the system log has the reason.'));
		section.addremove = true;
		section.anonymous = false;
		section.tab('ups', _('UPS'));
		section.tab('shutdown', _('Shutdown'));
		section.tab('network', _('Network'));

		const enabled = section.taboption('ups', form.Flag, 'enabled', _('Enabled'));
		enabled.rmempty = false;

		addText(section, 'ups', 'config', _('Another file'), _('Read instead of all that is set here, such as /etc/apcupsd/apcupsd.conf.'), 'file');

		const type = section.taboption('ups', form.ListValue, 'upstype', _('Reached by'), _('The package mainsd-tiny has USB and other machines only.'));
		type.value('usb', _('USB'));
		type.value('net', _('Another machine with port 3551'));
		type.value('apcsmart', _('Serial port, Smart signalling'));
		type.value('dumb', _('Serial port, simple signalling'));
		type.value('test', _('Simulation: its shutdown is real'));
		type.default = 'usb';
		type.rmempty = false;

		const device = addText(section, 'ups', 'device', _('Where'), _('USB: blank for the first one, a serial number, or a bus port path such as 1-1.2. Serial: the port. Other machine: its address.'));
		device.validate = (id, value) => {
			const kind = type.formvalue(id);
			if (value === '' && kind !== 'usb' && kind !== 'test')
				return _('Needed for this kind.');
			return isOneLine(id, value);
		};

		const cable = addText(section, 'ups', 'upscable', _('Cable'), _('With simple signalling: simple, or the number on the cable.'));
		cable.depends('upstype', 'dumb');

		addText(section, 'ups', 'upsname', _('Name'), _('For the status and the hooks.'), 'maxlength(99)');

		const flag = section.taboption('shutdown', form.ListValue, 'lowbatteryflag', _('When the UPS says that its battery is low'));
		flag.value('', _('Default: shut down'));
		flag.value('ups', _('Shut down'));
		flag.value('confirm', _('Shut down if charge or runtime agree'));
		flag.value('ignore', _('Go by the limits only'));

		const server = section.taboption('network', form.ListValue, 'netserver', _('Serve the status'));
		server.value('', _('Default: yes'));
		server.value('on', _('Yes'));
		server.value('off', _('No'));
		const address = addText(section, 'network', 'nisip', _('Address'), _('127.0.0.1: this router only. 0.0.0.0: all of its addresses.'), 'ipaddr');
		address.placeholder = '127.0.0.1';
		const allowed = section.taboption('network', form.DynamicList, 'nisallow', _('Who may ask'), _('Addresses and networks; blank: this router and all private networks.'));
		allowed.datatype = 'or(cidr,ipaddr)';
		allowed.rmempty = true;

		NUMBERS.forEach((number) => addNumber(section, number));
		return map.render();
	}
});
