declare module '@echogarden/pffft-wasm/simd';
declare module 'fft.js';
