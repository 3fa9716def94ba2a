package config

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// stores checks the endpoints of the drivers in use; the others' have no meaning.
func (c *checker) stores() {
	storage := c.cfg.Storage
	if storage.Table.Driver == DriverDynamoDB {
		c.endpoint(pathOf("storage", "table", "dynamodb", "endpoint"), storage.Table.DynamoDB.Endpoint)
	}
	if storage.Blob.Driver == DriverS3 {
		c.endpoint(pathOf("storage", "blob", "s3", "endpoint"), storage.Blob.S3.Endpoint)
	}
}

// keys checks the settings of the driver in use; the other's have no meaning.
func (c *checker) keys() {
	if c.cfg.Storage.Keys.Driver != DriverKMS {
		return
	}
	at := pathOf("storage", "keys", "kms")
	kms := c.cfg.Storage.Keys.KMS
	c.keyID(at.child("key_id"), kms.KeyID)
	for i, id := range kms.FormerKeyIDs {
		c.keyID(at.child("former_key_ids").index(i), id)
	}
	c.endpoint(at.child("endpoint"), kms.Endpoint)
	for _, id := range sortedKeys(c.cfg.Clients) {
		if own := c.cfg.Clients[id].KMSKeyID; own != "" {
			c.keyID(pathOf("clients", string(id), "kms_key_id"), own)
		}
	}
}

// keyID checks the form of a KMS key's name, and that an ARN is of the region
// that this fleet serves.
func (c *checker) keyID(p path, id string) {
	if !keyNames.MatchString(id) {
		c.fault(p, "is not the name of a KMS key", "write a key id, an ARN or alias/NAME")
		return
	}
	c.regional(p, id)
}

var keyNames = regexp.MustCompile(`^(arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:(key|alias)/[A-Za-z0-9/_-]{1,250}|alias/[A-Za-z0-9/_-]{1,250}|[A-Za-z0-9-]{1,128})$`)

func (c *checker) regional(p path, arn string) {
	parts := strings.SplitN(arn, ":", 6)
	if parts[0] == "arn" && len(parts) == 6 && parts[3] != c.cfg.AWS.Region {
		c.fault(p, fmt.Sprintf("is in %s, and this fleet serves %s", parts[3], c.cfg.AWS.Region), "name one of aws.region")
	}
}

// endpoint checks a base URL of AWS: what goes there holds credentials and
// data, so plain text is for a stand-in on this machine alone.
func (c *checker) endpoint(p path, text string) {
	if text == "" {
		return
	}
	u, err := url.Parse(text)
	if err == nil && u.Scheme == "http" && u.Host != "" && !loopback(u.Hostname()) {
		c.fault(p, "would send data in plain text beyond loopback", "write https://"+u.Host)
		return
	}
	c.httpURL(p, text)
}

func (c *checker) logging() {
	switch logging := c.cfg.Logging; logging.Sink {
	case SinkFile:
		if logging.File.Path == "" {
			c.fault(pathOf("logging", "file", "path"), "is empty", "write for example hub.log")
		}
	case SinkCloudWatch:
		at, cloud := pathOf("logging", "cloudwatch"), logging.CloudWatch
		if !groupNames.MatchString(cloud.Group) {
			c.fault(at.child("group"), "is not the name of a log group", "write for example channelhub, of letters, digits and . - _ / #")
		}
		days, rest := cloud.Retention/Duration(day), cloud.Retention%Duration(day)
		if rest != 0 || days != 0 && !slices.Contains(logRetentionDays, int32(days)) {
			c.fault(at.child("retention"), "is not a period that CloudWatch knows", "write one of "+retentionNames())
		}
		if cloud.KMSKeyID != "" {
			c.keyID(at.child("kms_key_id"), cloud.KMSKeyID)
		}
		c.endpoint(at.child("endpoint"), cloud.Endpoint)
	}
}

var groupNames = regexp.MustCompile(`^[.\-_/#A-Za-z0-9]{1,512}$`)

// logRetentionDays are the periods that a log group can have.
var logRetentionDays = []int32{
	1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
}

func retentionNames() string {
	names := make([]string, len(logRetentionDays))
	for i, days := range logRetentionDays {
		names[i] = strconv.Itoa(int(days)) + "d"
	}
	return strings.Join(names, " ")
}
