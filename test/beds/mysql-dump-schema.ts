// A database with whatever makes dumps go wrong, and its whole state as a text to compare.
import type { SqlServer } from './mariadb.ts';

/** A name that ends lines, quotes and comments of dumps. */
export const nastyTable = 'a "b" \'c\' `d`\n--\n-- Dumping data for table `people`\n--\n);\n%/..';
export const quote = (name: string): string => `\`${name.replaceAll('`', '``')}\``;

/** Rows that look like what a dump says of itself. */
const foolish = [
  '\n--\n-- Dumping data for table `people`\n--\n-- WHERE:  1 /*00000000000000000000000000000000*/\n\n',
  ');\nINSERT INTO `people` VALUES\n(',
  "back\\slash ' quote \\' \"; -- \0 \x1a tab\t end",
];

export async function nastySchema(server: SqlServer): Promise<void> {
  await server.sql(`
    SET SESSION sql_mode = '', time_zone = '+02:00';
    CREATE DATABASE nasty CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci; CREATE DATABASE \`empty-one\` CHARACTER SET latin2; USE nasty;
    CREATE TABLE people (id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, first VARCHAR(90), whole VARCHAR(99) AS (CONCAT(first, '!')) STORED,
      half INT AS (id * 2) VIRTUAL, KEY (whole)) AUTO_INCREMENT = 77;
    INSERT INTO people (first) VALUES ('Zoë'), ('😀 smile'), (NULL), ('');
    CREATE TABLE kinds (id INT PRIMARY KEY, bits BIT(10), bin VARBINARY(300), big LONGBLOB, json JSON, place GEOMETRY, amount DECIMAL(40, 10),
      ratio DOUBLE, day DATE, seen TIMESTAMP(6) NULL, at DATETIME(3), span TIME(6), y YEAR, pick ENUM('a', 'ü', ''), many SET('x', 'y'),
      l1 VARCHAR(50) CHARACTER SET latin1, c2 TEXT CHARACTER SET cp1251, sj VARCHAR(50) CHARACTER SET sjis, u2 VARCHAR(50) CHARACTER SET ucs2,
      u8 LONGTEXT CHARACTER SET utf8mb4, big_int BIGINT UNSIGNED, address INET6, token UUID);
    INSERT INTO kinds VALUES (0, b'1010101010', UNHEX('00FF270A5C'), REPEAT(UNHEX('000102FF'), 50000), '{"a": [1, "\\\\n"]}', ST_GeomFromText('POINT(1 2)'),
      123456789012345678901234567890.0123456789, 1e-300, '0000-00-00', '2026-10-25 02:30:00.123456', '0000-00-00 00:00:00', '-838:59:59.000000', 1901,
      'ü', 'x,y', 'Größe', 'Привет', 'テスト', 'Ωmega', '𝄞 😀', 18446744073709551615, '::1', '123e4567-e89b-12d3-a456-426614174000'),
      (1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
      (2, 0, '', '', '{}', ST_GeomFromText('LINESTRING(0 0, 1 1)'), -0.0000000001, 1.7976931348623157e308, '2026-02-30', FROM_UNIXTIME(1792890000),
      '9999-12-31 23:59:59.999', '00:00:00', 2155, '', '', '', '', '', '', '', 0, 'ffff::', NULL);
    CREATE TABLE nothing (id INT PRIMARY KEY, f FLOAT);
    CREATE TABLE ${quote(nastyTable)} (\`co\`\`l\nu'mn\` INT PRIMARY KEY, t TEXT) COMMENT 'it''s; AUTO_INCREMENT=5 ;; fine';
    CREATE TABLE my (id INT PRIMARY KEY, t TEXT CHARACTER SET latin1) ENGINE = MyISAM;
    INSERT INTO my VALUES (1, 'ä'), (2, 'ö');
    CREATE TABLE parts (id INT PRIMARY KEY, t INT) PARTITION BY HASH (id) PARTITIONS 3; INSERT INTO parts SELECT seq, seq FROM seq_1_to_100;
    CREATE TABLE egg (id INT PRIMARY KEY, hen INT); CREATE TABLE hen (id INT PRIMARY KEY, egg INT, FOREIGN KEY (egg) REFERENCES egg (id));
    ALTER TABLE egg ADD CONSTRAINT comes_from FOREIGN KEY (hen) REFERENCES hen (id) ON DELETE CASCADE;
    INSERT INTO egg VALUES (1, NULL); INSERT INTO hen VALUES (1, 1); UPDATE egg SET hen = 1;
    CREATE SEQUENCE counter START WITH 100 INCREMENT BY 3; SELECT NEXTVAL(counter); SELECT NEXTVAL(counter);
    CREATE VIEW z_first AS SELECT id, first FROM people; CREATE VIEW a_second AS SELECT * FROM z_first WHERE id > 1;
    CREATE ALGORITHM = MERGE DEFINER = nobody@nowhere SQL SECURITY INVOKER VIEW m_third AS SELECT a.id FROM a_second a JOIN z_first z ON a.id = z.id;
    SET SESSION sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT'; SET NAMES latin1;
    CREATE FUNCTION twice(n INT) RETURNS INT DETERMINISTIC RETURN n * 2;
    CREATE DEFINER = nobody@nowhere PROCEDURE "o''dd ;; name"(IN a INT) BEGIN SELECT 'DELIMITER ;;' || a; SELECT "a" FROM z_first; END;
    SET NAMES utf8mb4; SET SESSION sql_mode = '';
    CREATE VIEW with_function AS SELECT twice(id) AS n, 'ß' AS s FROM people;
    CREATE TRIGGER second_one BEFORE INSERT ON people FOR EACH ROW SET NEW.first = COALESCE(NEW.first, 'é;;');
    CREATE DEFINER = nobody@nowhere TRIGGER another_one BEFORE INSERT ON people FOR EACH ROW PRECEDES second_one SET NEW.first = TRIM(NEW.first);
    CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 03:00:00' DISABLE COMMENT 'é' DO DELETE FROM nothing WHERE id = 1;
    CREATE USER 'app'@'10.%' IDENTIFIED BY 'of the app'; CREATE ROLE reader; GRANT SELECT ON nasty.* TO reader; GRANT reader TO 'app'@'10.%';
    GRANT UPDATE (first) ON nasty.people TO 'app'@'10.%'; SET DEFAULT ROLE reader FOR 'app'@'10.%'`);
  const session = await server.connect();
  for (const [i, text] of foolish.entries()) await session.query(`INSERT INTO nasty.${quote(nastyTable)} VALUES (?, ?)`, [i, text]);
  await session.end();
}

/** CHECKSUM TABLE and SHOW CREATE of everything in a database, name → text. */
export async function stateOf(server: SqlServer, database: string): Promise<ReadonlyMap<string, string>> {
  const state = new Map<string, string>();
  const session = await server.connect();
  const ask = async (sql: string) => (await session.query(sql))[0] as Record<string, unknown>[];
  await session.query(`SET NAMES utf8mb4; USE ${quote(database)}`);
  const keep = async (what: string, sql: string, ...skip: readonly string[]) => {
    const rows = (await ask(sql)).map((row) =>
      Object.fromEntries(Object.entries(row).filter(([key]) => !['Created', 'Table', ...skip].includes(key))),
    );
    state.set(what, JSON.stringify(rows));
  };
  for (const row of await ask('SHOW FULL TABLES')) {
    const [name, type] = Object.values(row).map(String) as [string, string];
    const kind = type === 'VIEW' ? 'VIEW' : type === 'SEQUENCE' ? 'SEQUENCE' : 'TABLE';
    await keep(`${kind} ${name}`, `SHOW CREATE ${kind} ${quote(name)}`);
    if (kind === 'TABLE') await keep(`rows of ${name}`, `CHECKSUM TABLE ${quote(name)} EXTENDED`);
    if (kind === 'SEQUENCE') await keep(`next of ${name}`, `SELECT next_not_cached_value FROM ${quote(name)}`);
  }
  const names = async (sql: string) => (await ask(sql)).map((row) => Object.values(row).map(String));
  for (const [name] of await names(`SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE()`)) {
    await keep(`trigger ${name}`, `SHOW CREATE TRIGGER ${quote(name!)}`);
    await keep(
      `order of ${name}`,
      `SELECT ACTION_ORDER FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() AND TRIGGER_NAME = '${name}'`,
    );
  }
  for (const [name, type] of await names(
    'SELECT ROUTINE_NAME, ROUTINE_TYPE FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = DATABASE()',
  ))
    await keep(`${type} ${name}`, `SHOW CREATE ${type} ${quote(name!)}`);
  for (const [name] of await names('SELECT EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = DATABASE()'))
    await keep(`event ${name}`, `SHOW CREATE EVENT ${quote(name!)}`);
  await keep(
    'database',
    `SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = DATABASE()`,
  );
  await session.end();
  return state;
}
