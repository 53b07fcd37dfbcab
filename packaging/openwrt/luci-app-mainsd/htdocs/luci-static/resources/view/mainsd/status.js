'use strict';
'require dom';
'require poll';
'require rpc';
'require view';

const SECONDS_BETWEEN_LOOKS = 5;
const EVENTS_SHOWN = 20;

const callList = rpc.declare({ object: 'mainsd', method: 'list', expect: { list: [] } });
const callStatus = rpc.declare({ object: 'mainsd', method: 'status', params: [ 'ups' ] });
const callEvents = rpc.declare({ object: 'mainsd', method: 'events', params: [ 'ups' ] });

/* Key of the status, its name, and its unit; those that the UPS does not tell are left out. */
const VALUES = [
	[ 'BCHARGE', _('Charge'), '%' ],
	[ 'TIMELEFT', _('Runtime'), _('minutes') ],
	[ 'LOADPCT', _('Load'), '%' ],
	[ 'LINEV', _('Mains'), 'V' ],
	[ 'BATTV', _('Battery'), 'V' ],
	[ 'TONBATT', _('On battery for'), _('seconds') ],
	[ 'NUMXFERS', _('Transfers to battery'), '' ],
	[ 'LASTXFER', _('Cause of the last one'), '' ],
	[ 'MODEL', _('Model'), '' ],
	[ 'SERIALNO', _('Serial number'), '' ],
	[ 'BATTDATE', _('Battery of'), '' ]
];

/* Words of STATUS that a person has to do something about, and what they mean. The first that holds is shown. */
const STATES = [
	[ 'SHUTTING', 'danger', _('Shutting down') ],
	[ 'COMMLOST', 'danger', _('The UPS does not answer') ],
	[ 'LOWBATT', 'danger', _('The battery is low') ],
	[ 'ONBATT', 'warning', _('On battery: mains is gone') ],
	[ 'REPLACEBATT', 'warning', _('The battery must be replaced') ],
	[ 'OVERLOAD', 'warning', _('Overloaded') ],
	[ 'ONLINE', 'success', _('On line: mains is there') ]
];

function message(kind, text) {
	return E('div', { 'class': `alert-message ${kind}` }, [ text ]);
}

function row(name, value) {
	return E('tr', { 'class': 'tr' }, [
		E('td', { 'class': 'td left', 'width': '33%' }, [ name ]),
		E('td', { 'class': 'td left' }, [ value ])
	]);
}

function renderState(status) {
	const words = String(status.STATUS ?? '').split(' ');
	const state = STATES.find(([ word ]) => words.includes(word));
	return state ? message(state[1], state[2]) : message('warning', _('State: %s').format(status.STATUS || _('unknown')));
}

function renderUps(name, answer, events) {
	const status = answer.status;
	const title = status?.UPSNAME ? `${status.UPSNAME} (${name})` : name;
	const parts = [ E('h3', {}, [ title ]) ];
	if (answer.error || !status) {
		parts.push(message('danger', _('Nobody watches this UPS, or its status cannot be read: %s').format(answer.error ?? _('no answer'))));
	} else {
		const known = VALUES.filter(([ key ]) => status[key] !== undefined && status[key] !== null && status[key] !== '');
		parts.push(renderState(status));
		parts.push(E('table', { 'class': 'table' }, known.map(([ key, title, unit ]) => row(title, `${status[key]} ${unit}`.trim()))));
	}
	if (events.events?.length) {
		/* The latest first. */
		const latest = events.events.slice(-EVENTS_SHOWN).reverse();
		parts.push(E('h4', {}, [ _('Events') ]));
		parts.push(E('table', { 'class': 'table events' }, latest.map((event) => row(event.time, event.message))));
	}
	return E('div', { 'class': 'cbi-section', 'data-ups': name }, parts);
}

/* One that cannot be asked is told of, and the others are shown. */
function failed(error) {
	return { error: error?.message ?? String(error) };
}

async function look() {
	const names = await callList();
	return Promise.all(names.map(async (name) => {
		const [ status, events ] = await Promise.all([ callStatus(name).catch(failed), callEvents(name).catch(failed) ]);
		return renderUps(name, status ?? {}, events ?? {});
	}));
}

async function show(place) {
	let shown;
	try {
		shown = await look();
		if (!shown.length)
			shown = [ message('warning', _('No UPS is watched. Enable one in Services, UPS.')) ];
	} catch (error) {
		shown = [ message('danger', _('The state of the UPS cannot be read: %s').format(failed(error).error)) ];
	}
	dom.content(place, shown);
}

return view.extend({
	async render() {
		const place = E('div', { 'id': 'mainsd-status' });
		await show(place);
		poll.add(() => show(place), SECONDS_BETWEEN_LOOKS);
		return E('div', { 'class': 'cbi-map' }, [ E('h2', {}, [ _('UPS') ]), place ]);
	},

	handleSave: null,
	handleSaveApply: null,
	handleReset: null
});
