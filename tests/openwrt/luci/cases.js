'use strict';
/* What is tried with the views; the test in tests/ci/openwrt_luci.rs puts their sources into STATUS and SETTINGS, and UCI into UCI. */

const place = () => document.getElementById('place');

/* The view of the status with these answers of rpcd: what a person reads, and what is read at the next look with other answers. */
async function status(answers, later) {
	Object.keys(rpcd).forEach((key) => delete rpcd[key]);
	Object.assign(rpcd, answers);
	polled.length = 0;
	place().replaceChildren(await loadView(STATUS).render());
	const first = shown();
	if (!later)
		return { first, seconds: polled[0].seconds };
	Object.assign(rpcd, later);
	await polled[0].look();
	return { first, later: shown() };
}

/* The classes of messages, and all rows. */
function shown() {
	return {
		messages: [ ...place().querySelectorAll('.alert-message') ].map((node) => `${node.className.split(' ')[1]}: ${node.textContent}`),
		titles: [ ...place().querySelectorAll('h3') ].map((node) => node.textContent),
		rows: [ ...place().querySelectorAll('tr') ].map((node) => [ ...node.children ].map((cell) => cell.textContent).join('='))
	};
}

const says = (status, events) => ({
	'mainsd.list': () => ({ list: [ 'main' ] }),
	'mainsd.status': () => ({ status }),
	'mainsd.events': () => ({ events: events ?? [] })
});

const ONLINE = { UPSNAME: 'rack', STATUS: 'ONLINE', BCHARGE: 100.0, TIMELEFT: 48.8, LOADPCT: 24.1, LINEV: 230.3, NUMXFERS: 0, XOFFBATT: null, MODEL: 'Back-UPS <b>' };
const ONBATT = { ...ONLINE, STATUS: 'ONBATT', BCHARGE: 63.0, TIMELEFT: 20.5, TONBATT: 90, LINEV: null };
const EVENTS = Array.from({ length: 30 }, (unused, number) => ({ time: `time ${number}`, message: `event ${number}` }));

/* The view of the settings: filled in, and saved. What became of UCI, or why nothing was saved. */
async function settings(fields) {
	uciSections = structuredClone(UCI);
	place().replaceChildren(await loadView(SETTINGS).render());
	const options = lastMap.sections[0].options;
	Object.entries(fields).forEach(([ name, value ]) => options.find((option) => option.name === name).fill('main', value));
	try {
		lastMap.save();
	} catch (error) {
		return { error: error.message };
	}
	return uciSections;
}

async function all() {
	const result = {
		online: await status(says(ONLINE, EVENTS)),
		battery: await status(says(ONLINE), says(ONBATT)),
		low: await status(says({ ...ONBATT, STATUS: 'ONBATT LOWBATT' })),
		lost: await status(says({ ...ONLINE, STATUS: 'COMMLOST ' })),
		shutdown: await status(says({ ...ONBATT, STATUS: 'SHUTTING DOWN' })),
		odd: await status(says({ STATUS: 'CAL' })),
		silent: await status({ ...says({}), 'mainsd.status': () => ({ error: 'nothing listens at 127.0.0.1:3551' }) }),
		two: await status({
			'mainsd.list': () => ({ list: [ 'main', 'right' ] }),
			'mainsd.status': ({ ups }) => {
				if (ups === 'main')
					throw new Error('XHR request timed out');
				return { status: { ...ONLINE, UPSNAME: ups } };
			},
			'mainsd.events': () => ({ error: 'no events' })
		}),
		none: await status({ 'mainsd.list': () => ({ list: [] }) }),
		denied: await status({}),
		gone: await status(says(ONLINE), { 'mainsd.list': () => { throw new Error('Connection lost'); } }),
		untouched: await settings({}),
		filled: await settings({
			enabled: '1', upstype: 'net', device: '192.0.2.10:3551', upsname: "it's a rack", batterylevel: '-1', minutes: '7', nisallow: '192.0.2.0/24 ::1',
			lowbatteryflag: 'confirm'
		}),
		emptied: await settings({ nisip: '' }),
		cable: await settings({ upstype: 'dumb', device: '/dev/ttyS0', upscable: 'simple' })
	};
	const mistakes = {
		batterylevel: '101', minutes: 'soon', timeout: '1.5', nisport: '0', nisip: 'here', nisallow: '192.0.2.0/24 me', config: 'apcupsd.conf',
		upsname: 'rack #3', polltime: '0'
	};
	result.mistakes = {};
	for (const [ name, value ] of Object.entries(mistakes))
		result.mistakes[name] = (await settings({ [name]: value })).error ?? 'saved';
	result.mistakes.device = (await settings({ upstype: 'net', device: '' })).error ?? 'saved';
	return result;
}

all().catch((error) => ({ error: String(error.stack) })).then((result) => {
	/* Nothing in it can be taken for a mark of HTML. */
	document.getElementById('result').textContent = encodeURIComponent(JSON.stringify(result));
});
