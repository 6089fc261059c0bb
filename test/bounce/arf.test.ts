import { describe, expect, it } from 'vitest';
import { inspectFixture } from './fixtures.ts';

describe('feedback reports', () => {
  it.each([
    ['arf-abuse', 'abuse', ['anna@customer.example'], 'cmp7d42'],
    ['arf-auth-failure', 'auth-failure', ['anna@customer.example'], null],
    ['arf-not-spam', 'not-spam', ['anna@customer.example'], null],
    ['arf-opt-out', 'opt-out', ['anna@customer.example'], null],
    ['arf-yahoo', 'abuse', ['anna@yahoo.com'], null],
    ['jmrp', 'abuse', ['anna@hotmail.com'], null],
  ])('%s is %s about %j', (name, type, recipients, envelopeId) => {
    const inspection = inspectFixture(name);
    expect(inspection).toMatchObject({ kind: 'feedback', feedbackType: type, envelopeId });
    expect(inspection.recipients.map(({ recipient }) => recipient)).toEqual(recipients);
    expect(inspection.traceToken).toBe('v1.q7k2m4x8');
    expect(inspection.messageId).toBe('c1.d42@shop.example');
  });

  it('gives our trace when the recipient is redacted, and no address', () => {
    const inspection = inspectFixture('arf-redacted');
    expect(inspection).toMatchObject({
      kind: 'feedback',
      recipients: [],
      traceToken: 'v1.q7k2m4x8',
    });
  });

  it('says nothing about a failure: the message did arrive', () => {
    for (const { action, verdict } of inspectFixture('arf-abuse').recipients) {
      expect(action).toBe('delivered');
      expect(verdict).toEqual({ class: 'unknown', permanent: false, rule: 'feedback:abuse' });
    }
  });
});
