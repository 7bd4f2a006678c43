export { vandermonde } from './vandermonde.ts';
