// Package seal is the key hierarchy of the hub and the sealing of records.
//
//	root key (KMS or local)       the keys port; asked once per client and cache period
//	└─ client keyset              Tink AEAD keyset, wrapped by the root, rotated
//	   ├─ contact key             32 random bytes, wrapped by the client keyset
//	   │  └─ record               AES-GCM, bound to its row
//	   └─ class key               the same, for rows that belong to no contact
//	root key
//	└─ client PRF keyset          names things in row keys; rotated apart
//
// The empty client stands for the hub itself and its own rows.
//
// Records are bound to their row: table, partition, sort key and schema
// version are authenticated, so a ciphertext moved elsewhere does not open.
// Erasing a contact is destroying its key.
//
// The package knows no rows. Wrapped keys lie behind KeyStore, which the store
// implements, so that where they lie on disk can change without a word here.
package seal
