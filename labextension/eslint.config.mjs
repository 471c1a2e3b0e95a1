import tseslint from 'typescript-eslint';

export default tseslint.config({
  files: ['{src,test}/**/*.{ts,tsx}'],
  extends: [tseslint.configs.strictTypeChecked],
  languageOptions: { parserOptions: { project: ['tsconfig.json', 'tsconfig.test.json'] } },
  rules: {
    curly: 'error',
    eqeqeq: 'error',
    '@typescript-eslint/explicit-module-boundary-types': 'error',
    '@typescript-eslint/naming-convention': [
      'error',
      { selector: 'interface', format: ['PascalCase'], prefix: ['I'] }
    ],
    '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }]
  }
});
