did-you-mean = did you mean "{ $nearest }"?
allowed = allowed: { $allowed }

# The file.
file-unreadable = { $file } cannot be read: { $reason }
too-large = the file is larger than 16 MiB
not-utf8 = the file is not UTF-8 text
syntax = this is not YAML: { $detail }
unreadable = this does not fit: { $detail }
anchor = anchors and aliases are not supported; write the value out
tag = tags are not supported; write the value without one
second-document = a second document in one file is not supported
more-faults = and { $count } more faults
more-warnings = and { $count } more warnings

# Keys.
unknown-key = unknown key "{ $key }"
missing-key = the required key "{ $key }" is missing
duplicate-key = the key "{ $key }" stands here a second time, first in line { $line }
key-not-text = a key must be a word

# Values.
expected-mapping = keys with values are expected here
expected-list = a list is expected here
expected-text = a text is expected here
expected-number = "{ $text }" is not a whole number
expected-switch = "{ $text }" is neither true nor false
not-allowed = "{ $text }" is not allowed here
needs-quotes = { $text } without quotes may be read as something else than text; put it in quotes
quoted = the number "{ $text }" must stand without quotes
empty = this must not be empty
too-long = this is longer than { $most } characters
out-of-range = { $text } is outside { $least } to { $most }
not-an-address = "{ $text }" is not an IP address
not-a-socket-address = "{ $text }" is not an IP address with a port, such as 127.0.0.1:10509
not-a-network = "{ $text }" is neither an IP address nor a network such as 10.0.0.0/8
not-a-database-id = "{ $text }" is not a database id: 1 to 64 of a-z 0-9 - _ .
not-an-upstream = "{ $text }" is not the address of a server: http://host:port is expected, without a path
upstream-https = { $text }: the gateway speaks plain HTTP to the server behind it; give its http:// address
not-a-path = "{ $text }" is not a path: it begins with / and has no %, ? or # (other letters stand as themselves)
not-an-argon2-hash = this is not an Argon2id hash; "gateway hash" makes one from a password, and for its commas it stands in quotes
argon2-out-of-bounds = the parameters { $parameters } of the hash are out of bounds; "gateway hash" makes one that is not
not-a-blind-index = this is not a blind index of 64 hexadecimal digits; "gateway hash" makes one

# Between keys.
no-source = no database can come from anywhere: neither "backend" nor "databases" is there
metrics-public = { $text } is not a loopback address; metrics are never public
trusts-everybody = { $text } would trust everybody's word for his own address
log-too-small = { $total } MiB for all log files is too little: two full files take { $least } MiB
duplicate-database = the database id "{ $id }" is taken in line { $line }
port-taken = port { $port } is taken by { $holder } in line { $line }
port-taken-by-default = port { $port } is taken by the default of { $key }, which the file does not name
duplicate-login = the login name "{ $name }" is taken by { $holder } in line { $line }
duplicate-secret = this password or barcode equals one of { $holder } in line { $line }
default-password = this is a password that everybody tries first
no-shared-account = "shared" means the account at the top of the file, and there is none
users-of-upstream = users are judged by the existing server here (authentication: upstream); these would never be asked
account-with-upstream = with authentication: upstream the client's own credentials go to the server; a service account would replace them
not-an-account-name = Basic cannot carry this name: it must have no colon and no control characters
not-a-password = { $file } does not hold a password: one line of UTF-8 text is expected
login-paths-unused = login_paths belong to authentication: upstream
barcode-login-unused = barcode_login belongs to authentication: gateway
index-without-barcode = barcode_index belongs to a barcode, and there is none
secret-readable = { $file } can be read by others (mode { $mode }); 0600 is needed; a file of root's may have 0640
not-an-index-key = { $file } does not hold a key of 64 hexadecimal digits
certificate-unusable = from the next start on ports with this certificate close every connection: { $fault }
certificate-ends = the certificate: { $alarm }
not-a-file = { $file } is not a file

# Warnings.
https-off = https is off: everything is sent in the clear
tls-old = OUTDATED ENCRYPTION: whitelisted addresses may speak TLS 1.0 and 1.1, which is broken; keep the whitelist short and go back to intermediate as soon as the last old terminal is replaced
tls-old-for-everyone = OUTDATED ENCRYPTION FOR EVERYBODY: any address may speak TLS 1.0 and 1.1, which is broken, and whoever stands between may make others speak it; use old with a whitelist instead
client-certificates-without-https = a client can show a certificate over https only
tls-old-for-nobody = no database has tls: old, so whoever speaks TLS 1.0 or 1.1 at the server port is refused by each of them; set it at the databases that such terminals ask for, or take it away here
authentication-off = authentication is off: whoever reaches the port is served
authentication-without-https = passwords and tokens are sent in the clear: authentication without https
whitelists-everybody = { $file }: { $text } whitelists everybody
list-damaged = { $file }:{ $line }: "{ $text }" is not an entry of a list; the list read before stays in force
list-unreadable = { $file } cannot be read: { $reason }
no-users = nobody can log in: authentication: gateway without users
user-without-index = without "index" this user logs in only by name and password
user-without-barcode-index = without "barcode_index" this barcode is no login
ports-stay-closed = with mode: { $mode } the ports of this database stay closed
rights-without-roles = with authentication: upstream the gateway knows no roles; rights have no effect, write "pass"
shared-folder = the folder, and with it the lists, is that of { $holder } in line { $line }

change-faulty = the file has faults; mend them first:
change-would-be-faulty = the change would be a fault in the file:
change-no-database = the file has no database { $id }
change-no-user = the file has no user { $id }
change-no-key = a database in front of an existing server has no "{ $key }"
change-unclear = the file is written in a way that a program does not change safely; edit it yourself
step-write = write `{ $line }`
step-replace = replace these lines with
step-insert = put after this line
step-delete = delete these lines
