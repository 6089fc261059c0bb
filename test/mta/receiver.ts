/**
 * test/mta/receiver — a scriptable SMTP receiver without a socket: bytes in, bytes out, a ledger.
 *
 * It is strict where we must be right: commands end with CRLF, DATA ends with CRLF.CRLF only, RCPT
 * needs MAIL, DATA needs an accepted RCPT, MAIL inside a transaction is refused. A script may answer
 * anything at any point; whatever the receiver finally says 2xx to is in the ledger, byte for byte.
 */
export type Answer =
  /** One or more lines, CRLF added. */
  | string
  | { raw: Buffer }
  /** Hang up, after these bytes if there are any. */
  | { close: string }
  /** Say nothing, now and for this command. */
  | null;

export interface Asked {
  /** `CONNECT`, `EHLO`, `MAIL`, `RCPT`, `DATA`, `DOT`, `BDAT`, `RSET`, `QUIT`, `STARTTLS`, ... */
  verb: string;
  line: string;
  /** What the receiver would answer by itself. */
  usual: string;
  /** MAIL commands so far on this connection. */
  transaction: number;
  /** RCPT commands so far in this transaction. */
  recipient: number;
  tls: boolean;
}

export type Script = (asked: Asked) => Answer | undefined;

export interface Received {
  sender: string;
  recipients: string[];
  mail: string;
  rcpts: string[];
  content: Buffer;
}

export interface ReceiverOutput {
  write(bytes: Buffer): void;
  close(): void;
  startTls(): void;
}

export interface ReceiverOptions {
  /** EHLO keywords; `SIZE 1000` and the like as they are. */
  extensions: readonly string[];
  /** LHLO instead of EHLO, and after the dot an answer for each recipient. */
  lmtp?: boolean;
  /** A transaction whose content was refused for want of recipients stays open until RSET. */
  staysOpen?: boolean;
  script?: Script;
  ledger?: Received[];
}

export const ALL_EXTENSIONS = ['PIPELINING', 'SIZE 50000000', '8BITMIME', 'DSN', 'SMTPUTF8'];

export class Receiver {
  readonly ledger: Received[];
  /** Every command line, for assertions; content as `<123 bytes>`. */
  readonly transcript: string[] = [];
  readonly #options: ReceiverOptions;
  readonly #output: ReceiverOutput;
  #input = Buffer.alloc(0);
  #mode: 'commands' | 'data' | 'bdat' | 'closed' = 'commands';
  #bdatLeft = 0;
  #content: Buffer[] = [];
  #mail: { sender: string; line: string } | null = null;
  #recipients: { address: string; line: string }[] = [];
  #transaction = 0;
  #recipient = 0;
  tls = false;

  constructor(options: ReceiverOptions, output: ReceiverOutput) {
    this.#options = options;
    this.#output = output;
    this.ledger = options.ledger ?? [];
  }

  greet(): void {
    this.#answer('CONNECT', '', '220 mx.test ESMTP');
  }

  push(bytes: Uint8Array): void {
    this.#input = Buffer.concat([this.#input, bytes]);
    while (this.#take());
  }

  #take(): boolean {
    if (this.#mode === 'closed') return false;
    if (this.#mode === 'data') return this.#takeData();
    if (this.#mode === 'bdat') return this.#takeBdat();
    const at = this.#input.indexOf('\r\n');
    if (at < 0) return false;
    const line = this.#input.subarray(0, at).toString('utf8');
    this.#input = this.#input.subarray(at + 2);
    this.transcript.push(line);
    this.#command(line);
    return true;
  }

  #command(line: string): void {
    const verb = (/^[A-Za-z]+/.exec(line)?.[0] ?? '').toUpperCase();
    switch (verb) {
      case 'LHLO':
      case 'EHLO': {
        if ((verb === 'LHLO') !== (this.#options.lmtp === true)) {
          this.#answer(verb, line, '500 5.5.2 not here');
          return;
        }
        const lines = ['mx.test greets you', ...this.#options.extensions];
        this.#reset();
        this.#answer(verb, line, multiline(250, lines));
        return;
      }
      case 'HELO':
        this.#reset();
        this.#answer(verb, line, '250 mx.test');
        return;
      case 'STARTTLS':
        if (positive(this.#answer(verb, line, '220 2.0.0 go ahead'))) {
          this.#input = Buffer.alloc(0);
          this.#output.startTls();
        }
        return;
      case 'MAIL':
        this.#onMail(line);
        return;
      case 'RCPT':
        this.#onRcpt(line);
        return;
      case 'DATA': {
        const usual = this.#recipients.length > 0 ? '354 go' : '554 5.5.1 no valid recipients';
        if (positive(this.#answer(verb, line, usual))) this.#mode = 'data';
        return;
      }
      case 'BDAT':
        this.#bdatLeft = Number(line.split(' ')[1]);
        this.#mode = 'bdat';
        return;
      case 'RSET':
        if (positive(this.#answer(verb, line, '250 2.0.0 ok'))) this.#reset();
        return;
      case 'QUIT':
        this.#answer(verb, line, '221 2.0.0 bye');
        if (this.#mode !== 'closed') this.#close();
        return;
      default:
        this.#answer(verb, line, '500 5.5.2 what?');
    }
  }

  #onMail(line: string): void {
    this.#transaction += 1;
    this.#recipient = 0;
    const usual = this.#mail === null ? '250 2.1.0 ok' : '503 5.5.1 nested MAIL';
    if (!positive(this.#answer('MAIL', line, usual))) return;
    this.#mail = { sender: /<(.*?)>/.exec(line)?.[1] ?? '', line };
  }

  #onRcpt(line: string): void {
    this.#recipient += 1;
    const usual = this.#mail === null ? '503 5.5.1 need MAIL' : '250 2.1.5 ok';
    if (!positive(this.#answer('RCPT', line, usual))) return;
    this.#recipients.push({ address: /<(.*)>/.exec(line)?.[1] ?? '', line });
  }

  #takeData(): boolean {
    // The dot that comes first in an empty message has the CRLF of the DATA command before it.
    const lone = this.#input.subarray(0, 3).toString('latin1') === '.\r\n';
    const at = lone ? -2 : this.#input.indexOf('\r\n.\r\n');
    if (at < -1 || at >= 0) {
      const stuffed = this.#input.subarray(0, at + 2).toString('latin1');
      this.#input = this.#input.subarray(at + 5);
      this.#content = [Buffer.from(stuffed.replace(/^\./gm, ''), 'latin1')];
      this.#mode = 'commands';
      this.#finishContent('DOT');
      return true;
    }
    return false;
  }

  #takeBdat(): boolean {
    if (this.#input.length < this.#bdatLeft) return false;
    this.#content = [Buffer.from(this.#input.subarray(0, this.#bdatLeft))];
    this.#input = this.#input.subarray(this.#bdatLeft);
    this.#mode = 'commands';
    this.#finishContent('BDAT');
    return true;
  }

  #finishContent(verb: string): void {
    const content = Buffer.concat(this.#content);
    this.transcript.push(`<${content.length} bytes>`);
    const mail = this.#mail;
    const recipients = this.#recipients;
    const usual = recipients.length > 0 ? '250 2.0.0 queued' : '554 5.5.1 no recipients';
    if (recipients.length > 0 || this.#options.staysOpen !== true) this.#reset();
    const taken =
      this.#options.lmtp === true
        ? recipients.filter(({ address }) => positive(this.#answer(verb, address, usual)))
        : positive(this.#answer(verb, '', usual))
          ? recipients
          : [];
    if (mail === null || taken.length === 0) return;
    this.ledger.push({
      sender: mail.sender,
      recipients: taken.map(({ address }) => address),
      mail: mail.line,
      rcpts: taken.map(({ line }) => line),
      content,
    });
  }

  #answer(verb: string, line: string, usual: string): string {
    if (this.#mode === 'closed') return '';
    const asked: Asked = {
      verb,
      line,
      usual,
      transaction: this.#transaction,
      recipient: this.#recipient,
      tls: this.tls,
    };
    const scripted = this.#options.script?.(asked);
    const answer = scripted === undefined ? usual : scripted;
    if (answer === null) return '';
    if (typeof answer === 'string') {
      this.#output.write(Buffer.from(`${answer}\r\n`, 'latin1'));
      return answer;
    }
    if ('raw' in answer) {
      this.#output.write(answer.raw);
      return answer.raw.toString('latin1');
    }
    if (answer.close !== '') this.#output.write(Buffer.from(answer.close, 'latin1'));
    this.#close();
    return answer.close;
  }

  #close(): void {
    this.#mode = 'closed';
    this.#output.close();
  }

  #reset(): void {
    this.#mail = null;
    this.#recipients = [];
    this.#recipient = 0;
  }
}

/** As a receiver counts it: the first digit of its own answer. */
function positive(answer: string): boolean {
  return /^[23]/.test(answer);
}

export function multiline(code: number, lines: readonly string[]): string {
  return lines.map((text, i) => `${code}${i < lines.length - 1 ? '-' : ' '}${text}`).join('\r\n');
}
