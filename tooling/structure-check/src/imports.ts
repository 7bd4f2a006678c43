import { posix } from 'node:path';
import ts from 'typescript';

/** One import, export-from, dynamic import or import type of a source file. */
export interface ImportEdge {
  readonly specifier: string;
  readonly line: number;
}

/** Every module a source names, types included. */
export function importsOf(source: string, path: string): ImportEdge[] {
  const file = ts.createSourceFile(path, source, ts.ScriptTarget.ESNext, true);
  const edges: ImportEdge[] = [];
  const add = (node: ts.Node | undefined): void => {
    if (node === undefined || !ts.isStringLiteralLike(node)) return;
    edges.push({ specifier: node.text, line: file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1 });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) add(node.moduleSpecifier);
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal);
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) add(node.arguments[0]);
    ts.forEachChild(node, visit);
  };
  visit(file);
  return edges;
}

/** The path from the root that a relative specifier means, or undefined for a package. */
export function resolveRelative(from: string, specifier: string): string | undefined {
  return specifier.startsWith('.') ? posix.join(posix.dirname(from), specifier) : undefined;
}
