/** campaigns/notices/attachments — files that a notice carries, the same for all its recipients. */
export interface NoticeAttachment {
  filename: string;
  contentType: string;
  body: Uint8Array;
}
