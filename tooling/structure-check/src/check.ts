import { importDirection } from './rules/import-direction.ts';
import { indexExportsOnly } from './rules/index-exports-only.ts';
import { names } from './rules/names.ts';
import { nothingLocal } from './rules/nothing-local.ts';
import { packageShape } from './rules/package-shape.ts';
import { projectReferences } from './rules/project-references.ts';
import { roomsWithoutTensorflow } from './rules/rooms-without-tensorflow.ts';
import { sharedTests } from './rules/shared-tests.ts';
import type { Rule, Violation, Workspace } from './workspace.ts';

const RULES: readonly Rule[] = [
  packageShape,
  projectReferences,
  indexExportsOnly,
  importDirection,
  roomsWithoutTensorflow,
  names,
  nothingLocal,
  sharedTests,
];

/** Every violation of every rule, in the order of the rules. */
export function checkStructure(workspace: Workspace): Violation[] {
  return RULES.flatMap((rule) => [...rule.check(workspace)].map((violation) => ({ rule: rule.name, ...violation })));
}
