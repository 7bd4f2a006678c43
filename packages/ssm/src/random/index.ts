export { Random } from './random.ts';
export type { RandomState } from './random.ts';
export { constant, fanInUniform, glorotUniform, normal, orthogonal } from './initialisers.ts';
export type { Initialiser } from './initialisers.ts';
