export { cauchy } from './cauchy.ts';
export type { CauchyOptions } from './cauchy.ts';
