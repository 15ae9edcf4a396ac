CREATE TABLE product (
  number INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  cents INTEGER NOT NULL CHECK (cents >= 0)
);
