export { bidirectionalFftConvolution, fftConvolution } from './fft-convolution.ts';
export type { BidirectionalFftConvolutionOptions, FftConvolutionMethod, FftConvolutionOptions, FftConvolutionResult, FftConvolutionStepOptions } from './fft-convolution.ts';
export { fftConvolution2d } from './fft-convolution-2d.ts';
export type { FftConvolution2dOptions } from './fft-convolution-2d.ts';
export { fftConvolutionStep } from './step.ts';
