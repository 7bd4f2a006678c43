// The kernels' limit holds 42 of them in four builds; a page loads one build, on demand.
// Bundles as a page would: ES modules, TensorFlow.js from elsewhere, Node's modules never reached.
const modifyEsbuildConfig = (config) => ({ ...config, format: 'esm', platform: 'browser', external: ['@tensorflow/*', 'node:*'] });

export default [
  { name: 'ssm: errors', path: 'packages/ssm/dist/errors/index.js', limit: '1 kB', modifyEsbuildConfig },
  { name: 'ssm: kernels, every WebAssembly build embedded', path: 'packages/ssm/dist/kernels/index.js', limit: '380 kB', modifyEsbuildConfig },
  {
    name: 'ssm: layers and training',
    path: ['packages/ssm/dist/layers/index.js', 'packages/ssm/dist/training/index.js'],
    limit: '250 kB',
    modifyEsbuildConfig,
  },
];
