// Which line of the statements belongs to which place of the log: the tool writes `# at 1234` before each event's, and the client names lines.

export interface LineWatch {
  /** The lines of another log begin. */
  begin(placeOf: (offset: number) => string): void;
  see(piece: Buffer): void;
  /** The place of the event that has this line, of those that went by last. */
  placeOf(line: number): string;
}

interface Mark {
  readonly line: number;
  readonly offset: number;
  readonly placeOf: (offset: number) => string;
}

const newline = 10;
const hash = 35;
/** Bytes of a line that are looked at. */
const looked = 32;
/** Events; the client reads ahead by less. */
const remembered = 20_000;

export function lineWatch(): LineWatch {
  let line = 1;
  /** How the line begins that is not whole yet. */
  let head = '';
  let marks: Mark[] = [];
  let placeOf = (_: number): string => 'its beginning';
  const mark = (text: string) => {
    const offset = /^# at (\d+)$/.exec(text)?.[1];
    if (offset !== undefined) marks.push({ line, offset: Number(offset), placeOf });
    if (marks.length > 2 * remembered) marks = marks.slice(-remembered);
  };
  return {
    begin: (next) => {
      placeOf = next;
    },
    see: (piece) => {
      let from = 0;
      for (let at = piece.indexOf(newline); at >= 0; at = piece.indexOf(newline, from)) {
        if (head !== '' || piece[from] === hash) mark(head + piece.toString('latin1', from, Math.min(at, from + looked)));
        head = '';
        line++;
        from = at + 1;
      }
      if (head.length < looked) head += piece.toString('latin1', from, from + looked);
    },
    placeOf: (wanted) => {
      const last = marks.findLast((one) => one.line <= wanted);
      return last === undefined ? 'its beginning' : last.placeOf(last.offset);
    },
  };
}
