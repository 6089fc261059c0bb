/**
 * bounce/stage — at which command of the conversation a reported refusal came.
 *
 * Why:      `user unknown` in reply to RCPT comes from the directory of mailboxes. After DATA the
 *           host had taken the address already: then it is a filter, or the recipient, who says no.
 * Promises: null when the text does not tell. Looks at the first 2,000 characters.
 */
export type ReportedStage = 'rcpt' | 'data' | null;

const AT_RCPT =
  /in reply to rcpt|after rcpt to|following rcpt|our rcpt to|does not like recipient|\[rcpt_to\]|smtp:rcpt|rejected recipient|rcpt (?:to )?(?:response|command)/i;
const AT_DATA =
  /in reply to (?:end of )?data|after (?:end of )?data|our (?:final )?data|failed after i sent the message|\(data\)|smtp command\s{1,5}data|following data/i;
const COMMAND = /(?:>>>|In:)\s*(RCPT TO|DATA|BDAT|\.)/gi;
const REPLY = /^\s*(?:<<<|Out:)\s*[45]\d\d/m;

export function stageIn(text: string): ReportedStage {
  const head = text.slice(0, 2_000);
  if (AT_RCPT.test(head)) return 'rcpt';
  if (AT_DATA.test(head)) return 'data';
  return inTranscript(head);
}

/** The last command before the first refusal. */
function inTranscript(text: string): ReportedStage {
  const refusal = REPLY.exec(text)?.index;
  if (refusal === undefined) return null;
  let stage: ReportedStage = null;
  for (const match of text.slice(0, refusal).matchAll(COMMAND)) {
    stage = /^rcpt/i.test(match[1] ?? '') ? 'rcpt' : 'data';
  }
  return stage;
}
