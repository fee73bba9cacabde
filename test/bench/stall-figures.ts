// What writers felt, in figures: percentiles of a round, medians over rounds, and a page that says where a ratio means nothing.

export interface Round {
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** How long the locks were held, where somebody could tell. */
  readonly held?: number;
  readonly writes: number;
}

export interface Arm {
  readonly name: string;
  readonly rounds: Round[];
}

export interface Case {
  readonly title: string;
  readonly floor: Arm;
  readonly ours: Arm;
  readonly theirs: Arm;
  /** Beside them, for whoever wants to know what is due to what. */
  readonly others: readonly Arm[];
}

type Figure = 'p50' | 'p99' | 'max';

export function roundOf(latencies: readonly number[], held?: number): Round {
  const sorted = [...latencies].sort((a, b) => a - b);
  const at = (part: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99), max: at(1), writes: sorted.length, ...(held === undefined ? {} : { held }) };
}

const median = (numbers: readonly number[]): number => [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;
const medianOf = ({ rounds }: Arm, figure: Figure): number => median(rounds.map((round) => round[figure]));
const ms = (number: number): string => (Math.abs(number) < 10 ? number.toFixed(1) : number.toFixed(0));

/** Above the median of the floor. */
const above = (arm: Arm, floor: Arm, figure: Figure): number => medianOf(arm, figure) - medianOf(floor, figure);

/** B / A, or why there is none: what is no more than the floor varies by from round to round is not there. */
function ratio({ floor, ours, theirs }: Case, figure: Figure): string {
  const floors = floor.rounds.map((round) => round[figure]);
  const noise = Math.max(...floors) - Math.min(...floors);
  const [a, b] = [above(ours, floor, figure), above(theirs, floor, figure)];
  const lost = [a <= noise ? 'A' : '', b <= noise ? 'B' : ''].filter(Boolean).join(' and ');
  return lost === '' ? (b / a).toFixed(2) : `none: ${lost} within what the floor varies by (${ms(noise)} ms)`;
}

export function caseText(one: Case): string {
  const { floor, ours, theirs, others } = one;
  const rows = [ours, theirs, ...others].map((arm) => {
    const cells = (['p50', 'p99', 'max'] as const).map((figure) => ms(above(arm, floor, figure)));
    const held = arm.rounds.flatMap((round) => (round.held === undefined ? [] : [round.held]));
    return `| ${arm.name} | ${cells.join(' | ')} | ${held.length > 0 ? ms(median(held)) : ''} |`;
  });
  const rounds = [floor, ours, theirs, ...others].map((arm) => {
    const cells = arm.rounds.map(({ p50, p99, max }) => `${ms(p50)} / ${ms(p99)} / ${ms(max)}`);
    return `| ${arm.name} | ${cells.join(' | ')} |`;
  });
  const numbers = ours.rounds.map((_, number) => ` ${number + 1} |`).join('');
  return `## ${one.title}

Above the idle floor (p50 ${ms(medianOf(floor, 'p50'))} ms, p99 ${ms(medianOf(floor, 'p99'))} ms, max ${ms(medianOf(floor, 'max'))} ms), medians of ${ours.rounds.length} rounds, some ${median(ours.rounds.map(({ writes }) => writes))} writes each:

| | p50 ms | p99 ms | max ms | held ms |
|---|---|---|---|---|
${rows.join('\n')}
| **B / A** | ${(['p50', 'p99', 'max'] as const).map((figure) => ratio(one, figure)).join(' | ')} | |

p99 of A with the floor in it: ${ms(medianOf(ours, 'p99'))} ms, worst round ${ms(Math.max(...ours.rounds.map(({ p99 }) => p99)))} ms (goal < 250).

Every round, p50 / p99 / max in ms, nothing subtracted:

| |${numbers}
|---|${'---|'.repeat(ours.rounds.length)}
${rounds.join('\n')}
`;
}
