export { mixtureOfExperts } from './mixture-of-experts.ts';
export type { ExpertWeights, MixtureOfExpertsOptions, MixtureOfExpertsResult } from './mixture-of-experts.ts';
