// For the views: `npm ci && npx eslint .` in this folder.
import js from '@eslint/js';

const readonly = (...names) => Object.fromEntries(names.map((name) => [ name, 'readonly' ]));

export default [
	js.configs.recommended,
	{
		files: [ 'htdocs/**/*.js' ],
		languageOptions: {
			// LuCI makes a function of each file.
			sourceType: 'script',
			parserOptions: { ecmaFeatures: { globalReturn: true } },
			globals: readonly('_', 'E', 'dom', 'form', 'poll', 'rpc', 'view', 'document', 'window')
		},
		rules: {
			'consistent-return': 'error',
			eqeqeq: 'error',
			'no-shadow': [ 'error', { allow: [ 'title' ] } ],
			'no-use-before-define': 'error',
			'no-var': 'error',
			'prefer-const': 'error',
			strict: [ 'error', 'global' ]
		}
	}
];
