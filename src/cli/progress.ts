// How a task's progress is shown: a bar with speed and time left on a terminal, a plain line now and then elsewhere.
import type { TaskProgress } from '../rpc/schemas-tasks.ts';
import { formatClock, formatCount, formatSize } from './format.ts';
import { barText, shownWidth } from './print.ts';
import { type Paint, printable, type Terminal } from './terminal.ts';

export interface ProgressView {
  update(progress: TaskProgress): void;
  /** Takes the bar away, so that something else can be written. */
  stop(): void;
}

const plainEvery = 10_000;
const leastBar = 8;
const mostBar = 40;
/** A task begins with small things: until a hundredth or so many bytes are done its speed says nothing of the rest. */
const tellingBytes = 256 * 1024 ** 2;

/** `1.20 / 3.40 GiB` is harder to misread than two units: each size keeps its own. */
export function progressFigures(progress: TaskProgress): readonly string[] {
  const { bytesDone, bytesTotal, filesDone, filesTotal, bytesPerSecond, secondsLeft } = progress;
  const percent = bytesTotal > 0 ? Math.min(100, Math.floor((100 * bytesDone) / bytesTotal)) : undefined;
  return [
    ...(percent === undefined ? [] : [`${percent} %`]),
    bytesTotal > 0 ? `${formatSize(bytesDone)} of ${formatSize(bytesTotal)}` : formatSize(bytesDone),
    ...(filesTotal > 1
      ? [`${formatCount(filesDone)}/${formatCount(filesTotal)} files`]
      : filesDone > 1
        ? [`${formatCount(filesDone)} files`]
        : []),
    ...(bytesPerSecond > 0 ? [`${formatSize(bytesPerSecond)}/s`] : []),
    ...(secondsLeft !== null && isTelling(progress) ? [`${formatClock(secondsLeft)} left`] : []),
  ];
}

function isTelling({ bytesDone, bytesTotal }: TaskProgress): boolean {
  return bytesTotal > 0 && (bytesDone >= bytesTotal / 100 || bytesDone >= tellingBytes);
}

/** One line for the bar, never wider than the terminal: the bar gives way first, then what is being worked on. */
export function progressLine(progress: TaskProgress, width: number, paint: Paint): string {
  const figures = progressFigures(progress).join('  ');
  const { bytesDone, bytesTotal } = progress;
  const room = width - 1 - shownWidth(figures) - 2;
  const cells = bytesTotal > 0 && room >= leastBar ? Math.min(mostBar, room) : 0;
  const bar = cells > 0 ? `${paint('cyan', barText(bytesDone / bytesTotal, cells))}  ` : '';
  const rest = width - 1 - (cells > 0 ? cells + 2 : 0) - shownWidth(figures) - 2;
  const current = rest >= 12 && progress.current ? `  ${paint('dim', shortened(printable(progress.current), rest))}` : '';
  return `${bar}${figures.slice(0, width - 1)}${current}`;
}

/** The end of a path tells more than its beginning. */
export function shortened(text: string, width: number): string {
  if (shownWidth(text) <= width) return text;
  const chars = [...text];
  while (shownWidth(chars.join('')) > width - 1) chars.shift();
  return `…${chars.join('')}`;
}

export async function openProgress(terminal: Terminal, silent: boolean): Promise<ProgressView> {
  if (silent) return { update() {}, stop() {} };
  return terminal.stderr.isTTY ? barView(terminal) : plainView(terminal);
}

async function barView(terminal: Terminal): Promise<ProgressView> {
  const { default: progress } = await import('cli-progress');
  let latest: TaskProgress | undefined;
  const bar = new progress.SingleBar({
    stream: terminal.stderr,
    format: () => (latest ? progressLine(latest, terminal.stderr.columns ?? 80, terminal.paintError) : ''),
    clearOnComplete: true,
    hideCursor: true,
    gracefulExit: false,
    fps: 5,
  });
  let shown = false;
  return {
    update(next) {
      latest = next;
      if (!shown) bar.start(1, 0);
      shown = true;
    },
    stop() {
      if (shown) bar.stop();
      shown = false;
    },
  };
}

function plainView(terminal: Terminal): ProgressView {
  let last = Date.now();
  return {
    update(progress) {
      if (Date.now() - last < plainEvery) return;
      last = Date.now();
      terminal.stderr.write(`${progressFigures(progress).join(', ')}\n`);
    },
    stop() {},
  };
}
