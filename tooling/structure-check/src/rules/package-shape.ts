import type { Manifest, Member, Rule, Workspace } from '../workspace.ts';

const INSTALL_SCRIPTS = ['preinstall', 'install', 'postinstall', 'prepare', 'prepublish'];
const PUBLISHED_FILES = ['dist', 'src', 'README.md', 'CHANGELOG.md', 'LICENSE'];
const EXACT = /^\d+\.\d+\.\d+(-[\w.-]+)?$/;

/** Members without TypeScript of their own. */
const PLAIN = new Set(['tooling/tsconfig', 'tooling/bootstrap', 'tooling/generators']);

/** Every member has the same files, fields and scripts; nothing runs at install time; versions are exact. */
export const packageShape: Rule = {
  name: 'package-shape',
  *check(workspace) {
    for (const member of workspace.members) {
      const file = `${member.folder}/package.json`;
      for (const message of [...identity(member), ...installScripts(member.manifest), ...versions(member.manifest)]) yield { file, message };
      if (member.group === 'packages') for (const message of publishing(member.manifest)) yield { file, message };
      for (const path of missingFiles(member, workspace)) yield { file: `${member.folder}/${path}`, message: 'is missing' };
    }
  },
};

function* identity({ folder, group, manifest }: Member): Iterable<string> {
  const short = folder.split('/')[1];
  if (!manifest.name?.startsWith('@mamba360/')) yield `name is ${manifest.name}, expected the scope @mamba360/`;
  if (group !== 'tooling' && manifest.name !== `@mamba360/${short}`) yield `name is ${manifest.name}, expected @mamba360/${short} as its folder`;
  if (manifest.license !== 'Apache-2.0') yield `license is ${manifest.license}, expected Apache-2.0`;
  if (manifest.type !== 'module') yield `type is ${manifest.type}, expected module`;
  if (group !== 'packages' && manifest.private !== true) yield 'private is not true, and only packages/ are published';
  if (folder === 'tooling/tsconfig') return;
  for (const script of group === 'tooling' ? ['test'] : ['build', 'test'])
    if (manifest.scripts?.[script] === undefined) yield `has no script ${JSON.stringify(script)}`;
}

function* installScripts({ scripts = {} }: Manifest): Iterable<string> {
  for (const script of INSTALL_SCRIPTS)
    if (scripts[script] !== undefined) yield `has the install script ${JSON.stringify(script)}; no package may have one`;
}

function* versions({ dependencies, devDependencies, optionalDependencies, peerDependencies }: Manifest): Iterable<string> {
  for (const [name, range] of Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies, ...peerDependencies })) {
    const ours = name.startsWith('@mamba360/');
    if (ours && range !== 'workspace:*') yield `${name} is ${range}, expected workspace:*`;
    if (!ours && !EXACT.test(range)) yield `${name} is ${range}, expected an exact version`;
  }
}

function* publishing({ private: hidden, description, sideEffects, engines, files = [], exports = {}, scripts = {} }: Manifest): Iterable<string> {
  if (hidden === true) yield 'is private, and everything in packages/ is published';
  if (description === undefined) yield 'has no description';
  if (sideEffects !== false) yield 'sideEffects is not false';
  if (engines?.node !== '>=20.19') yield `engines.node is ${engines?.node}, expected >=20.19`;
  if (scripts.check === undefined) yield 'has no script "check" (publint and attw)';
  for (const path of PUBLISHED_FILES) if (!files.includes(path)) yield `files does not name ${path}`;
  if (exports['./package.json'] !== './package.json') yield 'exports does not name ./package.json';
  for (const [path, target] of Object.entries(exports)) {
    if (path === './package.json') continue;
    const keys = Object.keys(target as object).join(', ');
    if (keys !== '@mamba360/source, types, default')
      yield `exports[${JSON.stringify(path)}] has the conditions ${keys}, expected @mamba360/source, types, default`;
  }
}

function missingFiles({ folder, group }: Member, { files }: Workspace): string[] {
  const build = PLAIN.has(folder) ? [] : ['tsconfig.json', 'tsconfig.build.json', 'tsconfig.test.json'];
  const wanted = ['README.md', ...build, ...(group === 'packages' ? ['LICENSE', 'src/index.ts'] : [])];
  return wanted.filter((path) => !files.includes(`${folder}/${path}`));
}
