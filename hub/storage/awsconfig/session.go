package awsconfig

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/channelhub/channelhub/hub/model"
)

const (
	// clientRefresh is how long before its end a client's session is renewed,
	// and so the least that is left of one that is handed out: more than a
	// signed URL may live, which dies with the session that signed it.
	clientRefresh = 20 * time.Minute
	// retrySession is the pause before a session that could not be renewed is
	// asked for again; the old one serves meanwhile.
	retrySession = 10 * time.Second
	// assumeTimeout bounds one call of AssumeRole. The cache around it keeps
	// the caller's deadline from reaching it.
	assumeTimeout = 5 * time.Second
)

// ClientScope says what of one client's data a session reaches. Parts left
// empty are not reached at all.
type ClientScope struct {
	Client   model.ClientID
	TableARN string // the rows of partitions c/<client>/ in this table
	Bucket   string // the objects of this bucket
}

// ForClient returns credentials for code that handles one client: a session of
// the client role, narrowed to the scope by its policy, so that AWS itself
// refuses what belongs to another. Sessions are cached and renewed. Without a
// client role these are the hub's own credentials.
func (a *AWS) ForClient(scope ClientScope) aws.CredentialsProvider {
	if a.settings.ClientRoleARN == "" {
		return a.base.Credentials
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if p, ok := a.sessions[scope]; ok {
		return p
	}
	session, p := a.assume(a.sts, a.settings.ClientRoleARN, "channelhub-"+string(scope.Client),
		sessionPolicy(a.settings.Region, scope), clientRefresh)
	a.sessions[scope], a.held = p, append(a.held, session)
	return p
}

// Sessions tells how the sessions of clients are: over is how many of them
// could not be renewed until they ended, of all that were asked for, and the
// error is why one of them was not renewed lately. It asks for one that was not
// again, so that a hub at rest notices that STS is back.
func (a *AWS) Sessions(ctx context.Context) (over, all int, err error) {
	a.mu.Lock()
	held := slices.Clone(a.held)
	a.mu.Unlock()
	asked := false
	for _, s := range held {
		trouble, ended := s.state()
		if trouble != nil && !asked {
			asked = true
			_, _ = s.cache.Retrieve(ctx) // its state says what became of it
			if trouble, ended = s.state(); trouble == nil {
				asked = false // the next is worth a call as well
			}
		}
		if trouble != nil {
			err = trouble
			if ended {
				over++
			}
		}
	}
	return over, len(held), err
}

// statement is one of an IAM policy.
type statement struct {
	Effect    string
	Action    []string
	Resource  []string
	Condition map[string]map[string]any `json:",omitempty"`
}

// sessionPolicy is what the client role is narrowed to. A session may do what
// both this and the role's own policy allow. AWS takes at most 2048 characters.
func sessionPolicy(region string, scope ClientScope) string {
	policy := struct {
		Version   string
		Statement []statement
	}{Version: "2012-10-17"}
	var via []string
	if scope.TableARN != "" {
		policy.Statement = append(policy.Statement, statement{
			Effect:   "Allow",
			Action:   []string{"dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:DeleteItem", "dynamodb:ConditionCheckItem"},
			Resource: []string{scope.TableARN},
			Condition: map[string]map[string]any{
				"ForAllValues:StringLike": {"dynamodb:LeadingKeys": []string{"c/" + string(scope.Client) + "/*"}},
				// A request that names no key would fulfil "for all values".
				"Null": {"dynamodb:LeadingKeys": "false"},
			},
		})
		via = append(via, "dynamodb."+region+".amazonaws.com")
	}
	if scope.Bucket != "" {
		bucket := "arn:" + partition(region) + ":s3:::" + scope.Bucket
		policy.Statement = append(policy.Statement, statement{
			Effect:   "Allow",
			Action:   []string{"s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListBucket", "s3:ListBucketMultipartUploads"},
			Resource: []string{bucket, bucket + "/*"},
		})
		via = append(via, "s3."+region+".amazonaws.com")
	}
	if len(via) > 0 {
		// Both services use the key in the caller's name. Which key, the
		// role's own policy says.
		policy.Statement = append(policy.Statement, statement{
			Effect:    "Allow",
			Action:    []string{"kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"},
			Resource:  []string{"*"},
			Condition: map[string]map[string]any{"StringEquals": {"kms:ViaService": via}},
		})
	}
	text, err := json.Marshal(policy)
	if err != nil {
		panic("awsconfig: a policy of strings does not encode: " + err.Error())
	}
	return string(text)
}

// partition is the part of AWS that a region belongs to, as ARNs name it.
func partition(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

// lastingSession is a provider for aws.CredentialsCache. The cache asks early,
// by refresh; when that fails the session at hand goes on until its real end,
// so that a short outage of STS is not an outage of the hub.
type lastingSession struct {
	from    aws.CredentialsProvider
	refresh time.Duration
	cache   *aws.CredentialsCache // around this

	mu      sync.Mutex
	ends    time.Time // of the session last fetched
	trouble error     // of the last call, nil when it brought a session
}

func (l *lastingSession) state() (trouble error, ended bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.trouble, !l.ends.After(time.Now())
}

// Retrieve implements aws.CredentialsProvider.
func (l *lastingSession) Retrieve(ctx context.Context) (aws.Credentials, error) {
	ctx, cancel := context.WithTimeout(ctx, assumeTimeout)
	defer cancel()
	c, err := l.from.Retrieve(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.trouble = Fault("assume role", err)
		return aws.Credentials{}, l.trouble
	}
	l.ends, l.trouble = c.Expires, nil
	return c, nil
}

// HandleFailToRefresh implements aws.HandleFailRefreshCredentialsCacheStrategy.
func (l *lastingSession) HandleFailToRefresh(_ context.Context, held aws.Credentials, err error) (aws.Credentials, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if !held.HasKeys() || !l.ends.After(now) {
		return aws.Credentials{}, err
	}
	again := now.Add(retrySession)
	if again.After(l.ends) {
		again = l.ends
	}
	held.Expires = again.Add(l.refresh) // the cache takes refresh off again
	return held, nil
}
