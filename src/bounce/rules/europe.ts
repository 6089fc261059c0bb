/** Providers in Europe: Orange and La Poste, T-Online, Mail.Ru, Yandex, GMX and WEB.DE, Seznam. */
import { rulesOf } from './rule.ts';

export const EUROPE_RULES = [
  ...rulesOf('orange', 'https://postmaster.orange.fr/', [
    {
      id: 'listed',
      class: 'blocklisted',
      permanent: false,
      pattern: /\bofr_?(?:00[0-4]_)?(?:102|50[1-3])\b|\blpn_?00[07]_?(?:510|102)\b/,
      evidence: '550 5.7.1 Service refuse. Client host blacklisted. OFR_102 [102]',
      counter: '550 5.2.0 Mail rejete. Mail rejected. OFR_506 [506]',
    },
    {
      id: 'refused-service',
      class: 'rate_limited',
      permanent: false,
      pattern:
        /service refuse|trop de (?:connexions|destinataires)|too many (?:connections|recipients).{0,30}ofr/,
      evidence:
        '421 mx4 ME Service refuse. Veuillez essayer plus tard. Service refused, please try later. OFR004_104 [104]',
      counter:
        '550 5.1.1 Adresse d au moins un destinataire invalide. Invalid recipient. OFR_416 [416]',
    },
    {
      id: 'spam',
      class: 'content',
      permanent: true,
      pattern: /mail rejet[ée]|\bofr_?(?:00\d_)?506\b/,
      evidence: '550 5.2.0 Mail rejete. Mail rejected. OFR_506 [506]',
      counter: '552 5.1.1 Boite du destinataire pleine. Recipient overquota. OFR_417 [417]',
    },
    {
      id: 'full',
      class: 'full',
      permanent: false,
      pattern: /bo[iî]te du destinataire pleine|recipient overquota/,
      evidence: '552 5.1.1 Boite du destinataire pleine. Recipient overquota. OFR_417 [417]',
      counter: '550 5.2.0 Mail rejete. Mail rejected. OFR_506 [506]',
    },
    {
      id: 'account-blocked',
      class: 'inactive',
      permanent: true,
      pattern: /compte du destinataire est bloqu|recipient account is blocked/,
      evidence:
        '550 5.5.0 Le compte du destinataire est bloque. The recipient account is blocked. LPN007_426',
      counter: '550 5.7.1 Service refuse. Client host blacklisted. OFR_102 [102]',
    },
    {
      id: 'no-such-user',
      class: 'bad_mailbox',
      permanent: true,
      pattern: /destinataire (?:invalide|inconnu)|adresse d.{0,40}invalide/,
      evidence:
        '550 5.1.1 Adresse d au moins un destinataire invalide. Invalid recipient. OFR_416 [416]',
      counter: '421 Service refuse. Veuillez essayer plus tard.',
    },
    {
      id: 'sender-invalid',
      class: 'auth',
      permanent: true,
      pattern: /[ée]metteur invalide/,
      evidence: '550 5.1.0 Emetteur invalide. Invalid Sender. OFR_405 [405]',
      counter: '550 5.1.1 Destinataire invalide. OFR_416 [416]',
    },
  ]),
  ...rulesOf('t-online', 'https://postmaster.t-online.de/', [
    {
      id: 'refused',
      class: 'blocklisted',
      permanent: false,
      pattern: /a problem occurred\. \(ask your postmaster for help/,
      evidence:
        '554 IP=192.0.2.10 - A problem occurred. (Ask your postmaster for help or to contact postmaster@t-online.example to clarify.) (BL)',
      counter: '554 A problem occurred while writing to disk',
    },
    {
      id: 'dialup',
      class: 'policy',
      permanent: true,
      pattern: /dialup\/transient ip not allowed/,
      evidence: '554 IP=192.0.2.10 - Dialup/transient IP not allowed. Use a mailgateway.',
      counter: '554 IP=192.0.2.10 - A problem occurred.',
    },
  ]),
  ...rulesOf('mailru', 'https://postmaster.mail.ru/', [
    {
      id: 'spam',
      class: 'content',
      permanent: true,
      pattern: /spam message (?:rejected|discarded)|spam message is detected/,
      evidence:
        '550 spam message rejected. Please visit http://help.mail.ru/notspam-support/id?c=abc or report details to abuse@corp.mail.ru',
      counter: '550 Message was not accepted -- invalid mailbox.',
    },
    {
      id: 'no-such-user',
      class: 'bad_mailbox',
      permanent: true,
      pattern: /message was not accepted -- invalid mailbox|local mailbox \S{1,120} is unavailable/,
      evidence: '550 Message was not accepted -- invalid mailbox.',
      counter: '550 spam message rejected',
    },
  ]),
  ...rulesOf('gmx', 'https://postmaster.gmx.net/en/error-messages', [
    {
      id: 'reputation',
      class: 'reputation',
      permanent: false,
      pattern: /nemesis esmtp service not available|reject due to policy restrictions/,
      evidence:
        '554-gmx.net (mxgmx016) Nemesis ESMTP Service not available 554-No SMTP service 554 IP address is black listed',
      counter: '550 Requested action not taken: mailbox unavailable',
    },
  ]),
  ...rulesOf('eu', 'words of mail hosts in German, French, Spanish, Italian, Portuguese, Russian', [
    {
      id: 'full',
      class: 'full',
      permanent: false,
      pattern:
        /(?:boîte|boite).{0,50}(?:pleine|saturée)|buz[oó]n.{0,20}(?:lleno|completo)|casella.{0,20}piena|caixa.{0,20}cheia|(?:ящик|почта).{0,20}(?:переполнен|заполнен)/,
      evidence: '552 5.2.2 La boîte aux lettres du destinataire est pleine',
      counter: "550 5.1.1 La boîte aux lettres n'existe pas",
    },
    {
      id: 'no-such-user',
      class: 'bad_mailbox',
      permanent: true,
      pattern:
        /(?:benutzer|empfänger|empfaenger)(?: ist)? (?:unbekannt|nicht bekannt)|(?:utilisateur|destinataire|boîte aux lettres|adresse) (?:n['’]existe pas|inconnue?|inexistante?)|(?:usuario|destinatario|buz[oó]n) (?:no existe|desconocido)|(?:utente|destinatario|casella) (?:non esiste|sconosciut[oa]|inesistente)|(?:usuário|destinatário) (?:não existe|desconhecido|inexistente)|(?:пользователь|получатель|адресат|ящик) (?:не найден|не существует|неизвестен)/,
      evidence: '550 5.1.1 Benutzer unbekannt',
      counter: '550 5.1.8 Absender unbekannt',
    },
  ]),
];
