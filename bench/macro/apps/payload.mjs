// What the larger answers hold.

const items = Array.from({ length: 10 }, (_, id) => ({
  id,
  name: `Item ${String(id).padStart(2, '0')}`,
  price: 1999 + id,
  tags: ['new', 'sale'],
  stock: { here: 10 + id, there: id % 2 === 0 },
}))

/** Serialised, 1 KiB. */
export const record = { total: items.length, items, note: '' }
record.note = 'x'.repeat(1024 - JSON.stringify(record).length)

/** 64 KiB of text, as a page is sent: one string. */
export const page = '<p>Hello, World!</p>\n'.repeat(3200).slice(0, 64 * 1024)
