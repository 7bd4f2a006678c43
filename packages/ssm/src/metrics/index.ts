export { accuracy, crossEntropy } from './classification.ts';
export { meanAbsoluteError, meanSquaredError, rootMeanSquaredError } from './regression.ts';
