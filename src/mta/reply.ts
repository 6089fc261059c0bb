/**
 * mta/reply — an SMTP reply as a plain value (RFC 5321 4.2, RFC 3463).
 */
export interface Reply {
  /** 200..599. */
  code: number;
  /** `5.1.1`, from the first line that carries one; null when none does. */
  enhanced: string | null;
  /** Lines joined by a space, codes removed, control characters replaced, cut to 1,000 characters. */
  text: string;
}
