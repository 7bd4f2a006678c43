export * from './errors/index.ts';
export { useBackend } from './backend/index.ts';
export type { BackendReport, UseBackendOptions } from './backend/index.ts';
export * as ops from './ops/index.ts';
export { kerasLayers as layers } from './layers/index.ts';
export { register } from './layers/keras/index.ts';
export { Backbone } from './models/index.ts';
export { fit } from './training/index.ts';
