/** Nominal types: a string or number that only its checked constructor can make. */

declare const brand: unique symbol

export type Brand<T, Name extends string> = T & { readonly [brand]: Name }
