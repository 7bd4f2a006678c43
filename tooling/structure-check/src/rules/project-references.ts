import type { Member, Rule } from '../workspace.ts';

interface Project {
  references?: { path: string }[];
}

/** The references of `tsconfig.build.json` are the workspace dependencies; `tsconfig.test.json` adds the development ones. */
export const projectReferences: Rule = {
  name: 'project-references',
  *check({ files, members, read }) {
    const folders = new Map(members.map((member) => [member.manifest.name, member.folder]));
    const references = (names: Iterable<string>): string[] =>
      [...names].filter((name) => folders.has(name)).map((name) => `../../${folders.get(name)}/tsconfig.build.json`);
    for (const member of members) {
      const runtime = references(Object.keys(member.manifest.dependencies ?? {}));
      const development = references(Object.keys(member.manifest.devDependencies ?? {}));
      yield* compare(member, 'tsconfig.build.json', runtime);
      yield* compare(member, 'tsconfig.test.json', ['./tsconfig.build.json', ...runtime, ...development]);
    }

    function* compare({ folder }: Member, name: string, expected: string[]): Iterable<{ file: string; message: string }> {
      const file = `${folder}/${name}`;
      if (!files.includes(file)) return;
      const actual = ((JSON.parse(read(file)) as Project).references ?? []).map((reference) => reference.path);
      for (const path of expected) if (!actual.includes(path)) yield { file, message: `does not reference ${path}, which package.json depends on` };
      for (const path of actual) if (!expected.includes(path)) yield { file, message: `references ${path}, which package.json does not depend on` };
    }
  },
};
