'use strict';
/* In place of LuCI's modules (openwrt §7): what the views of luci-app-mainsd use, written anew from what it does. A view is loaded by
   `loadView(SOURCE)`, what rpcd would say is in `rpcd`, and UCI in `uciSections`. */

const rpcd = {};
let uciSections = {};
const polled = [];

function _(text) { return text; }

String.prototype.format = function(...values) {
	return this.replace(/%[sd]/g, () => String(values.shift()));
};

function append(node, children) {
	[ children ].flat().forEach((child) => {
		if (child !== null && child !== undefined)
			node.append(child);
	});
}

function E(name, attributes, children) {
	const node = document.createElement(name);
	Object.entries(attributes ?? {}).forEach(([ key, value ]) => node.setAttribute(key, value));
	append(node, children ?? []);
	return node;
}

const dom = {
	content(node, children) {
		node.replaceChildren();
		append(node, children);
	}
};

const poll = {
	add(look, seconds) { polled.push({ look, seconds }); }
};

const rpc = {
	declare({ object, method, params, expect }) {
		return async (...values) => {
			const args = Object.fromEntries((params ?? []).map((name, index) => [ name, values[index] ]));
			const handler = rpcd[`${object}.${method}`];
			if (!handler)
				throw new Error('Access denied');
			const answer = handler(args);
			if (!expect)
				return answer;
			const [ [ key, otherwise ] ] = Object.entries(expect);
			return answer[key] ?? otherwise;
		};
	}
};

/* A view's prototype, and what it draws. */
const view = {
	extend(methods) { return methods; }
};

const NUMBER = /^-?[0-9]+(\.[0-9]+)?$/;
const isAddress = (value) => /^[0-9]{1,3}(\.[0-9]{1,3}){3}$/.test(value) || (value.includes(':') && /^[0-9a-fA-F:.]+$/.test(value));
const DATATYPES = {
	string: () => true,
	file: (value) => /^\/\S/.test(value),
	integer: (value) => /^-?[0-9]+$/.test(value),
	range: (value, least, most) => NUMBER.test(value) && Number(value) >= Number(least) && Number(value) <= Number(most),
	maxlength: (value, most) => value.length <= Number(most),
	ipaddr: isAddress,
	cidr: (value) => /\/[0-9]+$/.test(value) && isAddress(value.split('/')[0])
};

/* Whether a value is of this datatype: a name, or a name with arguments; `and` and `or` take datatypes. */
function isOfType(datatype, value) {
	const [ , name, inner ] = /^([a-z]+)(?:\((.*)\))?$/.exec(datatype);
	const args = (inner ?? '').match(/[a-z]+\([^)]*\)|[^,]+/g) ?? [];
	if (name === 'and')
		return args.every((arg) => isOfType(arg, value));
	if (name === 'or')
		return args.some((arg) => isOfType(arg, value));
	if (!DATATYPES[name])
		throw new Error(`no such datatype: ${name}`);
	return DATATYPES[name](value, ...args);
}

class Option {
	constructor(section, name, title, description) {
		Object.assign(this, { section, name, title, description, rmempty: true, conditions: [], widgets: {} });
	}
	depends(name, value) { this.conditions.push([ name, value ]); }
	cfgvalue(id) { return uciSections[id][this.name]; }
	shown(id) { return this.cfgvalue(id) ?? this.default ?? ''; }
	isActive(id) {
		const holds = ([ name, value ]) => this.section.options.find((option) => option.name === name).formvalue(id) === value;
		return !this.conditions.length || this.conditions.some(holds);
	}
	render(id) {
		this.widgets[id] = this.widget(this.shown(id));
		return E('label', {}, [ this.title, this.widgets[id] ]);
	}
	widget(value) { return E('input', { value, placeholder: this.placeholder ?? '' }); }
	formvalue(id) { return this.widgets[id].value; }
	fill(id, value) { this.widgets[id].value = value; }
	mistake(id, value) {
		if (value !== '' && this.datatype && !isOfType(this.datatype, value))
			return `Expecting: ${this.datatype}`;
		const said = this.validate ? this.validate(id, value) : true;
		return said === true ? null : said;
	}
	parse(id) {
		const value = this.formvalue(id);
		if (!this.isActive(id)) {
			delete uciSections[id][this.name];
			return;
		}
		[ value ].flat().forEach((each) => {
			const mistake = this.mistake(id, each);
			if (mistake)
				throw new Error(`${this.name}: ${mistake}`);
		});
		if (value === '' || (Array.isArray(value) && !value.length)) {
			if (!this.rmempty)
				throw new Error(`${this.name}: must not be empty`);
			delete uciSections[id][this.name];
		} else {
			uciSections[id][this.name] = value;
		}
	}
}

class Value extends Option {}

class ListValue extends Option {
	constructor(...args) {
		super(...args);
		this.choices = [];
	}
	value(value, title) { this.choices.push([ value, title ]); }
	widget(value) {
		const select = E('select', {}, this.choices.map(([ key, title ]) => E('option', { value: key }, [ title ])));
		select.value = value;
		return select;
	}
}

class Flag extends Option {
	widget(value) {
		const box = E('input', { type: 'checkbox' });
		box.checked = value === '1';
		return box;
	}
	formvalue(id) { return this.widgets[id].checked ? '1' : '0'; }
	fill(id, value) { this.widgets[id].checked = value === '1'; }
	parse(id) {
		if (this.formvalue(id) === '0' && this.rmempty)
			delete uciSections[id][this.name];
		else
			uciSections[id][this.name] = this.formvalue(id);
	}
}

/* A list, with blanks between its items. */
class DynamicList extends Option {
	shown(id) { return (this.cfgvalue(id) ?? []).join(' '); }
	formvalue(id) { return this.widgets[id].value.split(' ').filter((item) => item !== ''); }
}

class TypedSection {
	constructor(type) { Object.assign(this, { type, tabs: [], options: [] }); }
	tab(name) { this.tabs.push(name); }
	taboption(tab, kind, ...args) {
		if (!this.tabs.includes(tab))
			throw new Error(`no such tab: ${tab}`);
		const option = new kind(this, ...args);
		this.options.push(option);
		return option;
	}
	ids() { return Object.keys(uciSections).filter((id) => uciSections[id]['.type'] === this.type); }
}

let lastMap;

class Map_ {
	constructor(config, title, description) {
		Object.assign(this, { config, title, description, sections: [] });
		lastMap = this;
	}
	section(kind, type) {
		const section = new kind(type);
		this.sections.push(section);
		return section;
	}
	async render() {
		const drawn = this.sections.map((section) => section.ids().map((id) => E('fieldset', { id }, section.options.map((option) => option.render(id)))));
		return E('div', {}, [ E('h2', {}, [ this.title ]), ...drawn.flat() ]);
	}
	save() { this.sections.forEach((section) => section.ids().forEach((id) => section.options.forEach((option) => option.parse(id)))); }
}

const form = { Map: Map_, TypedSection, Value, ListValue, Flag, DynamicList };
const MODULES = { dom, form, poll, rpc, view };

/* As LuCI does it: what a view needs are lines at its beginning, and its source is the body of a function. */
function loadView(source) {
	const needed = [ ...source.matchAll(/^'require ([a-z]+)';$/gm) ].map((found) => found[1]);
	const modules = needed.map((name) => {
		if (!MODULES[name])
			throw new Error(`no such module: ${name}`);
		return MODULES[name];
	});
	return new Function('E', '_', ...needed, source)(E, _, ...modules);
}
