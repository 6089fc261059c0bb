/** kernel/clock — time and randomness as arguments, so that tests can hold them still. */
export type Clock = () => Date;
export type Random = () => number;

export const systemClock: Clock = () => new Date();
