/** The affine map of the layers is the op of that name; `affine` says in a layer what it is there for. */
export { linear as affine } from '../ops/index.ts';
