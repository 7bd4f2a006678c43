import ts from 'typescript';
import { isLibrarySource } from '../workspace.ts';
import type { Rule } from '../workspace.ts';

/** An `index.ts` lists names and holds no logic. */
export const indexExportsOnly: Rule = {
  name: 'index-exports-only',
  *check({ files, read }) {
    for (const file of files) {
      if (!/^packages\/.*\/index\.ts$/.test(file) || !isLibrarySource(file)) continue;
      const source = ts.createSourceFile(file, read(file), ts.ScriptTarget.ESNext, true);
      for (const statement of source.statements) {
        if (ts.isExportDeclaration(statement) || ts.isImportDeclaration(statement)) continue;
        const { line } = source.getLineAndCharacterOfPosition(statement.getStart(source));
        yield { file, message: `line ${line + 1} is no export; logic belongs in a file of its own` };
      }
    }
  },
};
