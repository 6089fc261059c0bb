/**
 * bounce/families/wording — the words by which reports are recognised, in the languages in which we
 * have seen them. They only say `this is a report` or `this is only a warning`; why it failed is
 * the rules' business.
 */

/** A sentence of a report tells that something was not delivered. */
export const FAILURE = new RegExp(
  [
    String.raw`\b(?:could not|couldn['’]?t|cannot|can ?not|can['’]t|was not|wasn['’]t|not able|were unable|unable|did not|has not|have not|not been|has NOT|failed|failure|error|trouble|problem|impossible)\b.{0,60}\b(?:deliver|send|sent|reach|process|transmit|connect|complete|accept|forward|route)`,
    String.raw`\b(?:deliver(?:y|ed|ing)?|sending|send|transmission|mail|message)\b.{0,60}\b(?:fail(?:ed|ure|s)?|error|problems?|impossible|unsuccessful|aborted|delayed|rejected|refused|returned|bounced|not (?:been )?delivered|trouble|undeliverable|no longer valid|blocked)`,
    String.raw`\bundeliver(?:able|ed)\b|\bnot deliver(?:ed|able)\b|\breturned to sender\b|\bpermanent(?: fatal)? errors?\b|\bdelivery errors?\b`,
    String.raw`\b(?:user|recipient|mailbox|account|address)\b.{0,40}\b(?:unknown|not found|full|exceed(?:s|ed)|does(?:n['’]t| not)|no longer|disabled|invalid|wrong|unavailable|not accept)`,
    String.raw`\b(?:unknown|invalid|no such|wrong|illegal) (?:user|recipient|mailbox|address|account|final)|\bdid not exactly match`,
    String.raw`\bquota (?:exceeded|violation)|\bover quota\b|\bnot a member\b|\bduplicated? message-id\b|\btranscript of session\b`,
    'unzustellbar|nicht zugestellt|konnte nicht|fehlgeschlagen|zurückgewiesen',
    "n['’]a pas pu|n['’]a pu|non remis|échec|n['’]existe pas|impossible de",
    'no (?:se )?(?:pudo|ha podido|pudieron)|no entregad|fue rechazad|não (?:pôde|foi)|nao p[oô]de|mancat[ao]|non (?:è stato|consegnat)',
    'не (?:может|удалось|доставлен|была)|недоставлен',
    '退信|退回|无法(?:送达|投递|发送)|投递失败|发送失败|未能(?:送达|投递)|不存在|无法送达|傳送失敗|無法',
    '送信できませんでした|配信できません|届けられません|配送できません|エラーのため|戻されました|失敗しました',
    '전송.{0,10}실패|반송|배달.{0,10}(?:실패|못)',
  ].join('|'),
  'i',
);

/** The subject line of a report. */
export const REPORT_SUBJECT = new RegExp(
  [
    String.raw`\b(?:undeliver|non-?deliver|not deliver|deliver(?:y|ing)? (?:has )?(?:status|fail|failure|problem|error|report|notif|incomplete|delay|impossible)|mail (?:delivery|error|failure|failed|system error|could|not)|message (?:delivery|delayed|could|status|not|undeliver)|e-?mail (?:delivery|bounce)|failure notice|failure delivery|returned (?:mail|message|to sender|e-?mail)|return(?:ed)? mail|delayed mail|failed mail|bounced? |permanent delivery|nondeliverable|processing error|error sending|delivery notification|could(?:n['’]t| not) be (?:delivered|sent)|unable to deliver|automatically rejected|error sending your mail|errors from)`,
    String.raw`\bwarning: (?:message|could|e-?mail|mail)|user unknown|loop alert|\bare not (?:a )?member|^\s*undelivered|rejected (?:mail|message)|^rejected:|mail not delivered`,
    'unzustellbar|zustellung|fehlgeschlagen|nicht zustellbar',
    'non remis|échec|impossible|non distribu|retour',
    'no se (?:pudo|puede|ha)|no entregad|devuelto|rechazado|falha|não (?:entregue|pôde)|mancat[ao] (?:consegna|recapito)|onbestelbaar',
    'не доставлено|недоставлен|не может быть доставлен|возвращ',
    '退信|退回|投递失败|无法投递|发送失败|传输失败|系统退信|退件|傳送失敗',
    '送信できません|配信(?:不能|エラー)|送信エラー|エラー(?:通知|メール)|不達|戻りました',
    '전송 ?실패|반송|배달',
  ].join('|'),
  'i',
);

/** Who writes reports: local part or display name of the sender. */
export const REPORTER =
  /mailer-?_?daemon|maildaemon|mdaemon|post-?_?master|poostmaster|mail ?delivery|delivery (?:sub)?system|mail\.delivery|system administrator|mail administrator|mail system|delivery-?(?:notification|status|report)|bounce-?(?:handler|notif)|^imss\b|系统管理员|邮件系统/i;

/** Only a warning: it is still being tried. */
export const WARNING = new RegExp(
  [
    String.raw`\bnot yet (?:been )?delivered\b|\bnot been delivered (?:yet|so far)\b|\bhas been delayed\b|\bis (?:being )?delayed\b|\bdelayed for (?:more|over)\b`,
    String.raw`\bwill (?:be (?:retried|re-?tried|attempted)|continue|keep trying|retry)\b|\bstill being (?:re)?tried\b|\bwarning (?:message )?only\b|\battempts will continue\b`,
    String.raw`\bonly a temporary failure report\b|\bdo not need to re-?send\b|\bwarning: (?:message|could not send|e-?mail|mail).{0,60}\b(?:delayed|for (?:past|the last))`,
    String.raw`\btransient non-?fatal errors\b|\bcould not be delivered for (?:more than|the last|past)\b`,
    '将继续尝试|继续投递|再送(?:信)?を(?:続け|試みます|試みる|行います)',
  ].join('|'),
  'i',
);

/** Subject lines that alone say so. */
export const WARNING_SUBJECT =
  /\b(?:delay(?:ed)?|warning)\b(?!.{0,30}(?:user unknown|failed|rejected))|\(delay\)|still being retried/i;

/** It arrived. */
export const DELIVERED =
  /\b(?:was|were|has been|successfully) (?:successfully )?(?:delivered|relayed)\b|\bdelivery report that you requested\b|\breturn receipt\b|\bdelivery confirmation\b/i;
